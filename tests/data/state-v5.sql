-- A state file with the tables of version 5, after one run of two videos and a text.
CREATE TABLE runs (run INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE events (
    run INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, job INTEGER, json TEXT NOT NULL,
    input BLOB, output BLOB,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE outputs (
    path BLOB PRIMARY KEY, input BLOB NOT NULL, input_dev INTEGER NOT NULL, input_ino INTEGER NOT NULL,
    input_size INTEGER NOT NULL, input_mtime_ns INTEGER NOT NULL, input_hash TEXT NOT NULL,
    preset TEXT NOT NULL, preset_hash TEXT NOT NULL, size INTEGER NOT NULL, ino INTEGER NOT NULL, made_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE peaks (id INTEGER PRIMARY KEY AUTOINCREMENT, recipe TEXT NOT NULL, bytes INTEGER NOT NULL);
CREATE INDEX peaks_by_recipe ON peaks (recipe, id);
CREATE TABLE intents (
    part BLOB PRIMARY KEY, replaces INTEGER NOT NULL,
    path BLOB NOT NULL, input BLOB NOT NULL, input_dev INTEGER NOT NULL, input_ino INTEGER NOT NULL,
    input_size INTEGER NOT NULL, input_mtime_ns INTEGER NOT NULL, input_hash TEXT NOT NULL,
    preset TEXT NOT NULL, preset_hash TEXT NOT NULL, size INTEGER NOT NULL, ino INTEGER NOT NULL, made_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE presets (hash TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, scan INTEGER NOT NULL,
    input BLOB NOT NULL, input_key BLOB NOT NULL, output BLOB NOT NULL, preset TEXT NOT NULL, definition TEXT NOT NULL,
    size INTEGER NOT NULL, rank INTEGER NOT NULL, state INTEGER NOT NULL, allowed INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0, owner INTEGER, lease_until INTEGER,
    outcome TEXT, reason TEXT, queued_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, ended_no INTEGER
);
CREATE INDEX jobs_by_place ON jobs (state, rank, id, size);
CREATE INDEX jobs_by_input ON jobs (input_key, preset);
CREATE INDEX jobs_by_output ON jobs (output);
CREATE INDEX jobs_by_end ON jobs (ended_no) WHERE ended_no IS NOT NULL;
CREATE INDEX jobs_by_definition ON jobs (definition);
CREATE TABLE curves (
    id INTEGER PRIMARY KEY AUTOINCREMENT, recipe TEXT NOT NULL, media_ms INTEGER NOT NULL, frames INTEGER NOT NULL,
    cpu_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL, peak INTEGER NOT NULL, points BLOB NOT NULL
);
CREATE INDEX curves_by_recipe ON curves (recipe, id);
INSERT INTO runs VALUES (1);
INSERT INTO events VALUES (1, 1, 1795367675896, 'run_started', NULL, '{"at":"2026-11-22T17:14:35.896Z","elapsed_ms":10,"event":"run_started","governor":true,"preset":"web-720p","seq":1,"version":"0.1.0"}', NULL, NULL);
INSERT INTO events VALUES (1, 2, 1795367675896, 'profile_selected', NULL, '{"at":"2026-11-22T17:14:35.896Z","elapsed_ms":10,"event":"profile_selected","max_concurrent":2,"max_file_bytes":209715200,"name":"balanced","profile":{"env":{"MALLOC_TRIM_THRESHOLD_":"100000"},"guide":{"memory":"Medium","reliability":"High","speed":"Medium"},"max_concurrent":2,"max_file_size":209715200,"memory":{"budget":null,"high_water":{"bytes":1610612736},"low_water":{"bytes":1395864371},"reserve":67108864},"name":"balanced","scratch_limit":2147483648,"title":"2 at once, 200 MB"},"seq":2}', NULL, NULL);
INSERT INTO events VALUES (1, 7, 1795367675919, 'job_queued', 1, '{"at":"2026-11-22T17:14:35.919Z","elapsed_ms":33,"event":"job_queued","input":"/srv/in/a.mp4","job":1,"output":"/srv/out/a.web-720p.mp4","preset":"web-720p","rank":1048576,"seq":7,"size_bytes":2682}', x'2f7372762f696e2f612e6d7034', x'2f7372762f6f75742f612e7765622d373230702e6d7034');
INSERT INTO events VALUES (1, 8, 1795367675919, 'job_queued', 2, '{"at":"2026-11-22T17:14:35.919Z","elapsed_ms":33,"event":"job_queued","input":"/srv/in/b.mp4","job":2,"output":"/srv/out/b.web-720p.mp4","preset":"web-720p","rank":2097152,"seq":8,"size_bytes":2682}', x'2f7372762f696e2f622e6d7034', x'2f7372762f6f75742f622e7765622d373230702e6d7034');
INSERT INTO events VALUES (1, 9, 1795367675919, 'job_queued', 3, '{"at":"2026-11-22T17:14:35.919Z","elapsed_ms":33,"event":"job_queued","input":"/srv/in/c.mp4","job":3,"output":"/srv/out/c.web-720p.mp4","preset":"web-720p","rank":3145728,"seq":9,"size_bytes":4498}', x'2f7372762f696e2f632e6d7034', x'2f7372762f6f75742f632e7765622d373230702e6d7034');
INSERT INTO events VALUES (1, 12, 1795367676176, 'job_admitted', 1, '{"at":"2026-11-22T17:14:36.176Z","attempt":1,"elapsed_ms":290,"event":"job_admitted","job":1,"reserved_bytes":26764573,"seq":12}', NULL, NULL);
INSERT INTO events VALUES (1, 23, 1795367676627, 'job_admitted', 2, '{"at":"2026-11-22T17:14:36.627Z","attempt":1,"elapsed_ms":741,"event":"job_admitted","job":2,"reserved_bytes":26764573,"seq":23}', NULL, NULL);
INSERT INTO events VALUES (1, 35, 1795367677089, 'job_rejected', 3, '{"at":"2026-11-22T17:14:37.089Z","detail":"not a video: no known container format found (the file starts with plain text)","elapsed_ms":1203,"event":"job_rejected","input":"/srv/in/c.mp4","job":3,"limit_bytes":null,"reason":"not_a_video","seq":35,"size_bytes":4498}', x'2f7372762f696e2f632e6d7034', NULL);
INSERT INTO events VALUES (1, 38, 1795367677336, 'job_finished', 1, '{"at":"2026-11-22T17:14:37.336Z","attempts":1,"elapsed_ms":1450,"event":"job_finished","exit_code":0,"job":1,"outcome":"done","output":"/srv/out/a.web-720p.mp4","peak_memory_bytes":15822848,"reason":null,"seconds":1.1297222040000001,"seq":38,"signal":null}', NULL, x'2f7372762f6f75742f612e7765622d373230702e6d7034');
INSERT INTO events VALUES (1, 44, 1795367677564, 'job_finished', 2, '{"at":"2026-11-22T17:14:37.564Z","attempts":1,"elapsed_ms":1678,"event":"job_finished","exit_code":0,"job":2,"outcome":"done","output":"/srv/out/b.web-720p.mp4","peak_memory_bytes":14356480,"reason":null,"seconds":0.844480148,"seq":44,"signal":null}', NULL, x'2f7372762f6f75742f622e7765622d373230702e6d7034');
INSERT INTO events VALUES (1, 49, 1795367678112, 'run_finished', NULL, '{"at":"2026-11-22T17:14:38.112Z","budget_bytes":25276063744,"budget_source":"machine (MemTotal)","cleanups":4,"elapsed_ms":2226,"event":"run_finished","freed_bytes":102400,"holds":0,"jobs":{"already_done":0,"cancelled":0,"done":2,"failed":0,"out_of_memory":0,"rejected":1,"unfinished":0},"oom_kills":0,"peak_memory_bytes":4925931520,"peak_usage_bytes":13039820800,"profile":"balanced","requeues":0,"seconds":2.226611768,"seconds_over_high_water":0.0,"seq":49,"stops":0}', NULL, NULL);
INSERT INTO outputs VALUES (x'2f7372762f6f75742f612e7765622d373230702e6d7034', x'2f7372762f696e2f612e6d7034', 65024, 10240002, 2682, 1795367674991817318, 'e5d76c5d6f3cd7a23b7619eb1844b63cac7d3fc105919ec3f52a510b6a305d03', 'web-720p', '4231bdaa22df82d1b2b0c5a620e3dd11e8adbdaa50bb9c8cc8d4e7ac09faf085', 2633, 10240778, 1795367676540);
INSERT INTO outputs VALUES (x'2f7372762f6f75742f622e7765622d373230702e6d7034', x'2f7372762f696e2f622e6d7034', 65024, 10240467, 2682, 1795367675005995642, 'e5d76c5d6f3cd7a23b7619eb1844b63cac7d3fc105919ec3f52a510b6a305d03', 'web-720p', '4231bdaa22df82d1b2b0c5a620e3dd11e8adbdaa50bb9c8cc8d4e7ac09faf085', 2633, 10240406, 1795367677100);
INSERT INTO peaks (recipe, bytes) VALUES ('a recipe', 104857600);
INSERT INTO intents VALUES (x'2f7372762f6f75742f2e706c696d736f6c6c2f392e312e70617274', 0, x'2f7372762f6f75742f7a2e6d7034', x'2f7372762f696e2f7a2e6d7034', 1, 2, 3, 4, 'hash', 'web-720p', 'preset', 5, 6, 7);
INSERT INTO curves (recipe, media_ms, frames, cpu_ms, wall_ms, peak, points)
    VALUES ('a recipe', 2000, 50, 1800, 1100, 104857600, x'0a00e803f401e803');
PRAGMA user_version = 5;
