-- The queue of a fleet, version 1. Everything is in a schema of its own; plural names are views for people and web applications.
CREATE SCHEMA IF NOT EXISTS plimsoll;

CREATE TABLE plimsoll.migration (
    version int PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now()
);

-- Facts of the whole fleet. `last_beat` and `awake_since` tell whether the database itself was away.
CREATE TABLE plimsoll.fleet (
    one         bool PRIMARY KEY DEFAULT true CHECK (one),
    lease       interval NOT NULL,
    last_beat   timestamptz NOT NULL DEFAULT now(),
    awake_since timestamptz NOT NULL DEFAULT now(),
    -- Workers with a lease at the last beat.
    live        int NOT NULL DEFAULT 0
);

CREATE SEQUENCE plimsoll.fence;

-- One row for each life of a worker.
CREATE TABLE plimsoll.worker (
    id             uuid PRIMARY KEY,
    box            text NOT NULL,
    host           text NOT NULL,
    pid            int NOT NULL,
    version        text NOT NULL,
    ffmpeg         text NOT NULL,
    profile        text NOT NULL DEFAULT '',
    started_at     timestamptz NOT NULL DEFAULT now(),
    beat_at        timestamptz NOT NULL DEFAULT now(),
    lease_until    timestamptz NOT NULL,
    ended_at       timestamptz,
    ended_why      text,
    drained        bool NOT NULL DEFAULT false,
    stands_down    text,
    largest_bytes  bigint NOT NULL DEFAULT 0,
    line_bytes     bigint NOT NULL DEFAULT 0,
    counted_bytes  bigint NOT NULL DEFAULT 0,
    level          text NOT NULL DEFAULT 'normal',
    slots          int NOT NULL DEFAULT 0,
    clock_ms       bigint NOT NULL DEFAULT 0
-- Every renewal writes its row again. What it changes is in no index, and there is room beside the row for its next versions: no
-- index grows by it.
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX worker_live ON plimsoll.worker (box) WHERE ended_at IS NULL;

-- What a preset's name means, for all workers alike.
CREATE TABLE plimsoll.preset (
    name       text PRIMARY KEY,
    definition jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- Steps of a ladder, eight an octave from 1 MB on: what stands on a lower step than a box's room fits there. 0 = not known.
CREATE FUNCTION plimsoll.size_class(bytes bigint) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN bytes IS NULL OR bytes <= 0 THEN 0
                ELSE ceil(8 * ln(greatest(bytes, 1048576)::float8 / 1048576) / ln(2::float8))::int + 1 END
$$;

CREATE TABLE plimsoll.job (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state       text NOT NULL DEFAULT 'queued'
                CHECK (state IN ('queued', 'running', 'done', 'failed', 'out_of_memory', 'rejected', 'cancelled')),
    rank        bigint NOT NULL DEFAULT 0,
    input       text NOT NULL,
    etag        text,
    size_bytes  bigint,
    preset      text NOT NULL,
    definition  jsonb NOT NULL,
    target      text,
    -- Memory that it takes at its peak; NULL = nobody has looked yet.
    needs       bigint,
    size_class  int NOT NULL GENERATED ALWAYS AS (plimsoll.size_class(needs)) STORED,
    attempts    int NOT NULL DEFAULT 0,
    deaths      int NOT NULL DEFAULT 0,
    losses      int NOT NULL DEFAULT 0,
    avoid       text[] NOT NULL DEFAULT '{}',
    worker      uuid REFERENCES plimsoll.worker (id),
    fence       bigint,
    reserved_for uuid REFERENCES plimsoll.worker (id),
    cancelling  bool NOT NULL DEFAULT false,
    progress    real,
    reason      text,
    log         text,
    -- How long the try ran that made the output.
    took_seconds float8,
    queued_at   timestamptz NOT NULL DEFAULT now(),
    claimed_at  timestamptz,
    ended_at    timestamptz,
    not_before  timestamptz,
    CHECK ((ended_at IS NULL) = (state IN ('queued', 'running')))
-- What was claimed is dead in the index of those that wait: it is to be gone before there is much of it, however long the table.
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX job_waiting ON plimsoll.job (size_class, rank, id) INCLUDE (needs, queued_at) WHERE state = 'queued';
CREATE INDEX job_oldest ON plimsoll.job (queued_at) WHERE state = 'queued';
CREATE INDEX job_held ON plimsoll.job (worker) WHERE state = 'running';
CREATE INDEX job_ended ON plimsoll.job (ended_at, id) INCLUDE (state) WHERE ended_at IS NOT NULL;
CREATE INDEX job_avoided ON plimsoll.job (id) WHERE state = 'queued' AND avoid <> '{}';
CREATE INDEX job_reserved ON plimsoll.job (reserved_for) WHERE reserved_for IS NOT NULL;

-- What is stored, and what is about to be. The key carries the fence, so that nobody overwrites anybody.
CREATE TABLE plimsoll.output (
    key        text PRIMARY KEY,
    job        bigint NOT NULL REFERENCES plimsoll.job (id) ON DELETE CASCADE,
    fence      bigint NOT NULL,
    state      text NOT NULL DEFAULT 'intent' CHECK (state IN ('intent', 'committed')),
    size_bytes bigint,
    etag       text,
    blake3     text,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX output_job ON plimsoll.output (job);

-- A name that somebody wished for belongs to one job, before anything is stored under it.
CREATE TABLE plimsoll.target (
    key       text PRIMARY KEY,
    job       bigint NOT NULL UNIQUE REFERENCES plimsoll.job (id) ON DELETE CASCADE,
    published bool NOT NULL DEFAULT false
);
CREATE INDEX target_unpublished ON plimsoll.target (job) WHERE NOT published;

CREATE TABLE plimsoll.event (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    kind   text NOT NULL,
    job    bigint,
    worker uuid,
    detail text NOT NULL DEFAULT ''
);
CREATE INDEX event_job ON plimsoll.event (job, id) WHERE job IS NOT NULL;

-- Queues a job within the caller's own transaction; its number comes back. `target` is the key that the output is to have.
-- The rest may be said by whoever knows it: another meaning of the preset's name, what the store calls the input's content, its
-- size, and the memory that it needs at its peak.
CREATE FUNCTION plimsoll.enqueue(
    input text, preset text DEFAULT 'web-720p', target text DEFAULT NULL,
    definition jsonb DEFAULT NULL, etag text DEFAULT NULL, size_bytes bigint DEFAULT NULL, needs bigint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    meant jsonb;
    made  bigint;
BEGIN
    IF coalesce(enqueue.input, '') = '' THEN
        RAISE EXCEPTION 'plimsoll: the input is empty; give a key of the store or an address such as s3://bucket/key';
    END IF;
    meant := enqueue.definition;
    IF meant IS NULL THEN
        SELECT p.definition INTO meant FROM plimsoll.preset p WHERE p.name = enqueue.preset;
    END IF;
    IF meant IS NULL THEN
        RAISE EXCEPTION 'plimsoll: there is no preset %', quote_literal(enqueue.preset)
            USING HINT = 'There are ' || (SELECT string_agg(p.name, ', ' ORDER BY p.name) FROM plimsoll.preset p);
    END IF;
    INSERT INTO plimsoll.job (input, preset, definition, target, etag, size_bytes, needs)
    VALUES (enqueue.input, enqueue.preset, meant, enqueue.target, enqueue.etag, enqueue.size_bytes, enqueue.needs)
    RETURNING id INTO made;
    IF enqueue.target IS NOT NULL THEN
        BEGIN
            INSERT INTO plimsoll.target (key, job) VALUES (enqueue.target, made);
        EXCEPTION WHEN unique_violation THEN
            RAISE EXCEPTION 'plimsoll: another job has the target %; choose another name', quote_literal(enqueue.target);
        END;
    END IF;
    INSERT INTO plimsoll.event (kind, job, detail) VALUES ('queued', made, enqueue.input);
    PERFORM pg_notify('plimsoll', 'queued');
    RETURN made;
END $$;

-- The workers that are there: the database's clock alone says so.
CREATE VIEW plimsoll.workers AS
SELECT w.id, w.box, w.host, w.pid, w.version, w.ffmpeg, w.profile, w.started_at, w.beat_at, w.lease_until, w.drained,
       w.stands_down, w.largest_bytes, w.line_bytes, w.counted_bytes, w.level, w.slots, w.clock_ms, w.ended_at, w.ended_why,
       w.ended_at IS NULL AND w.lease_until > now() AS live,
       (SELECT count(*) FROM plimsoll.job j WHERE j.worker = w.id AND j.state = 'running') AS jobs
FROM plimsoll.worker w;

-- One row a job, for web applications and people. `output` is where the finished film stands.
CREATE VIEW plimsoll.jobs AS
SELECT j.id, j.state, j.input, j.preset, j.target, j.size_bytes, j.needs AS needs_bytes, j.progress, j.attempts, j.deaths,
       j.losses, CASE WHEN j.state <> 'queued' THEN w.box END AS worker, j.fence, j.queued_at, j.claimed_at, j.ended_at, o.size_bytes AS output_bytes, o.blake3,
       CASE WHEN t.published THEN t.key ELSE o.key END AS output,
       CASE
           WHEN j.state = 'queued' AND j.needs > coalesce(b.largest, 0) AND b.live > 0 THEN
               format('needs %s MB, the largest box that is there can take %s MB',
                      ceil(j.needs / 1048576.0), floor(coalesce(b.largest, 0) / 1048576.0))
           WHEN j.state = 'queued' AND b.live = 0 THEN 'no worker is there'
           ELSE j.reason
       END AS reason
FROM plimsoll.job j
LEFT JOIN plimsoll.worker w ON w.id = j.worker
LEFT JOIN plimsoll.output o ON o.job = j.id AND o.state = 'committed'
LEFT JOIN plimsoll.target t ON t.job = j.id
CROSS JOIN (SELECT max(largest_bytes) AS largest, count(*) AS live
            FROM plimsoll.worker WHERE ended_at IS NULL AND lease_until > now()) b;
