//! What a worker's agent does in which order, whom it works beside, and what it leaves alone.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::faults::{Sql, socket_of};
use super::fixture::{Fleet, Worker, all_done};
use super::s3::environment;
use crate::gate::{Gate, Side};
use crate::s3::Server;
use crate::support::clips::{clips, make_clips};
use crate::support::{PATIENCE, World, files_below, patient_ffmpeg, tool};

fn until(fleet: &Fleet<'_>, what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{what} did not come\n{}", fleet.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What happened to which job, the first thing first.
fn happened(sql: &Sql, kinds: &str) -> Vec<(String, i64)> {
    let rows = sql.rows(&format!("SELECT kind, job FROM plimsoll.event WHERE kind IN ({kinds}) ORDER BY id"));
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn a_box_keeps_itself_free_for_what_has_waited_for_long_before_it_takes_anything_smaller() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let sql = Sql::new(&fleet);
    let first = fleet.add(&[world.put(&clips().tiny(), "film.mp4")])[0];
    // Behind a film that is taken at once: a large one that has waited for long, and small ones, for which there is a slot and room.
    let queued = sql.rows(
        "INSERT INTO plimsoll.job (input, preset, definition, size_bytes, needs, queued_at)
         SELECT input, preset, definition, size_bytes, CASE n WHEN 1 THEN 520 * 1048576::bigint ELSE needs END,
             now() - interval '11 min' FROM plimsoll.job, generate_series(1, 3) AS n ORDER BY n RETURNING id",
    );
    let [large, small, other]: [i64; 3] = [0, 1, 2].map(|at| queued[at].get(0));
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    let worker = fleet.worker("box", &["--budget", "600MB", "--ffmpeg", &tools]);
    until(&fleet, "the next thing", || happened(&sql, "'reserved', 'claimed'").len() > 1);
    fleet.until_it_runs("box");
    std::fs::write(world.path("box/scratch/go"), "").expect("written");
    fleet.until("all are done", all_done);
    let happened = happened(&sql, "'reserved', 'claimed'");
    let wanted = [("claimed", first), ("reserved", large), ("claimed", large)].map(|(kind, job)| (kind.to_owned(), job));
    assert_eq!(happened[..3], wanted, "{happened:?}");
    let mut rest: Vec<i64> = happened[3..].iter().map(|(_, job)| *job).collect();
    rest.sort_unstable();
    assert_eq!(rest, [small, other]);
    worker.drain();
}

/// A worker whose line to database and store a test holds.
struct Gated {
    database: Gate,
    store: Gate,
    queue: String,
}

impl Gated {
    fn new(fleet: &Fleet<'_>, server: &Server) -> Self {
        let folder = fleet.world.path("gate");
        let database = Gate::of_database(&folder, socket_of(&fleet.postgres.address()));
        Self {
            database,
            store: Gate::of_store(server.at),
            queue: format!("postgres://postgres@/postgres?host={}", folder.display()),
        }
    }

    fn environment(&self) -> [(&str, String); 2] {
        [("PLIMSOLL_QUEUE", self.queue.clone()), ("AWS_ENDPOINT_URL", self.store.endpoint())]
    }
}

#[test]
fn a_wished_name_is_the_jobs_own_before_anything_is_stored_and_an_output_is_written_down_before_it_goes_up() {
    let (world, server) = (World::new(), Server::start());
    server.manners.honest.store(true, Ordering::SeqCst);
    let Some(fleet) = Fleet::with_files(&world, "60s", environment(&server)) else { return };
    let sql = Sql::new(&fleet);
    let film = world.put(&clips().tiny(), "film.mp4").to_string_lossy().into_owned();
    fleet.ok(&["add", "--target", "films/a.mp4", &film]);
    let taken = fleet.say(&["add", "--target", "films/a.mp4", &film]);
    assert_eq!(taken.code, Some(2), "{}", taken.err);
    assert!(taken.err.contains("another job has the target 'films/a.mp4'"), "{}", taken.err);
    let gated = Gated::new(&fleet, &server);
    let is = |question: &str| sql.rows(&format!("SELECT EXISTS ({question})"))[0].get::<_, bool>(0);
    gated.store.hold("PUT /films/prod/out/", Side::Before);
    let environment = gated.environment();
    let worker = fleet.worker_with("box", &[], &environment.each_ref().map(|(name, value)| (*name, value.as_str())));
    assert!(gated.store.is_held_within(PATIENCE), "{}", fleet.logs());
    assert!(is("SELECT FROM plimsoll.target WHERE key = 'films/a.mp4' AND NOT published"));
    assert!(is("SELECT FROM plimsoll.output WHERE state = 'intent'"), "what goes up is written down");
    assert_eq!(files_below(&server.file("prod/out")), Vec::<PathBuf>::new());
    // The copy to the wished name comes after the commit, and the queue hears of it last.
    gated.store.let_go_up_to("POST /films/prod/films/a.mp4", Side::Before);
    assert!(gated.store.is_held_within(PATIENCE), "{}", fleet.logs());
    assert!(is(
        "SELECT FROM plimsoll.output o JOIN plimsoll.job j ON j.id = o.job WHERE o.state = 'committed' AND j.state = 'done'"
    ));
    assert!(!server.file("prod/films/a.mp4").exists());
    gated.database.hold("UPDATE plimsoll.target SET published", Side::Before);
    gated.store.let_go();
    assert!(gated.database.is_held_within(PATIENCE), "{}", fleet.logs());
    assert!(server.file("prod/films/a.mp4").exists());
    assert!(is("SELECT FROM plimsoll.target WHERE NOT published"));
    gated.database.let_go();
    until(&fleet, "its name", || is("SELECT FROM plimsoll.target WHERE published"));
    worker.drain();
}

#[test]
fn the_state_folder_is_a_workers_own_until_its_last_output_is_committed() {
    let (world, server) = (World::new(), Server::start());
    server.manners.honest.store(true, Ordering::SeqCst);
    let Some(fleet) = Fleet::with_files(&world, "60s", environment(&server)) else { return };
    let gated = Gated::new(&fleet, &server);
    gated.store.hold("PUT /films/prod/out/", Side::Before);
    let environment = gated.environment();
    let worker = fleet.worker_with("box", &[], &environment.each_ref().map(|(name, value)| (*name, value.as_str())));
    fleet.add(&[world.put(&clips().tiny(), "film.mp4")]);
    assert!(gated.store.is_held_within(PATIENCE), "{}", fleet.logs());
    // Its engine ends; what has ended before is still to be stored.
    let mut stop = fleet.command(&["stop", "--state-dir"]);
    stop.arg(world.path("box")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut stop = stop.spawn().expect("started");
    until(&fleet, "its engine's end", || !is_engine_there(&world.path("box")));
    assert_eq!(fleet.worker("box", &[]).end(), Some(75), "another one has to wait: {}", fleet.logs());
    assert_eq!(fleet.jobs()[0]["state"], "running");
    gated.store.let_go();
    fleet.until("its output is committed", all_done);
    let _ = worker.end();
    let _ = stop.wait();
    assert_eq!(fleet.jobs()[0]["attempts"], 1);
}

/// The engine of a worker has its control socket for as long as it lives.
fn is_engine_there(state_dir: &Path) -> bool {
    state_dir.join("control.sock").exists()
}

/// An ffmpeg that does what the real one does and says that it is another version.
fn another_version(world: &World) -> String {
    for name in ["ffmpeg", "ffprobe"] {
        let real = tool(name);
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in *-version*) {0} \"$@\" | sed 's/ version [^ ]*/ version 99.1/';; *) exec {0} \"$@\";; esac\n",
            real.display()
        );
        let path = world.write(&format!("other/{name}"), text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }
    world.path("other").to_string_lossy().into_owned()
}

#[test]
fn a_worker_with_another_ffmpeg_than_the_fleets_is_told_or_where_that_is_wanted_refused() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let other = another_version(&world);
    let first = fleet.worker("first", &["--same-ffmpeg"]);
    until(&fleet, "it is there", || fleet.ok(&["status"]).contains("1 worker,"));
    let usual = fleet.json(&["status", "--json"])["workers"][0]["ffmpeg"].as_str().expect("a version").to_owned();
    // The same one may always come.
    let same = fleet.worker("same", &["--same-ffmpeg"]);
    until(&fleet, "it is there", || fleet.ok(&["status"]).contains("2 workers,"));
    assert_eq!(fleet.worker("refused", &["--same-ffmpeg", "--ffmpeg", &other]).end(), Some(2));
    let said = fleet.logs();
    for part in ["ffmpeg is 99.1 here", &format!("and {usual} on "), "install that version here", "without --same-ffmpeg"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(fleet.ok(&["status"]).contains("2 workers,"), "it has never been one of them");
    let told = fleet.worker("told", &["--ffmpeg", &other]);
    until(&fleet, "it is there", || fleet.ok(&["status"]).contains("3 workers,"));
    until(&fleet, "it is told", || fleet.logs().contains("ffmpeg is 99.1 here") && fleet.logs().contains("--same-ffmpeg refuses"));
    assert!(fleet.ok(&["check"]).contains("workers have different ones"));
    [first, same, told].into_iter().for_each(Worker::drain);
}

#[test]
fn a_box_that_may_read_and_not_store_converts_nothing_for_nothing() {
    let (world, server) = (World::new(), Server::start());
    server.manners.honest.store(true, Ordering::SeqCst);
    let Some(fleet) = Fleet::with_files(&world, "60s", environment(&server)) else { return };
    let sql = Sql::new(&fleet);
    fleet.add(&[world.put(&clips().tiny(), "film.mp4")]);
    server.manners.read_only.store(true, Ordering::SeqCst);
    let checked = fleet.say(&["check"]);
    assert_eq!(checked.code, Some(1), "{}", checked.out);
    assert!(checked.out.lines().any(|line| line.starts_with("failed   files") && line.contains("refuses")), "{}", checked.out);
    let reader = fleet.worker("reader", &[]);
    let stands_down = || fleet.ok(&["status"]).contains("takes nothing for now: the store refuses");
    until(&fleet, "it stands down", stands_down);
    assert_eq!(happened(&sql, "'claimed'"), [], "before it has taken anything");
    reader.drain();
    // One that has lost the right finds that out by the first output, and takes no second one.
    server.manners.read_only.store(false, Ordering::SeqCst);
    let gate = Gated::new(&fleet, &server);
    gate.store.hold("PUT /films/prod/out/", Side::Before);
    let environment = gate.environment();
    let loses = fleet.worker_with("loses", &[], &environment.each_ref().map(|(name, value)| (*name, value.as_str())));
    assert!(gate.store.is_held_within(PATIENCE), "{}", fleet.logs());
    server.manners.read_only.store(true, Ordering::SeqCst);
    gate.store.let_go();
    until(&fleet, "it stands down", stands_down);
    let jobs = fleet.until("it waits again", |jobs| jobs[0]["state"] == "queued");
    assert_eq!(jobs[0]["attempts"], 0, "no fault of the job's");
    server.manners.read_only.store(false, Ordering::SeqCst);
    make_clips(&world, 3, "160x90", 5);
    std::fs::remove_file(world.path("in/film.mp4")).expect("removed");
    fleet.add(&[world.path("in")]);
    let mended = fleet.worker("mended", &[]);
    fleet.until("another does them", all_done);
    let by_the_first = "SELECT count(*) FROM plimsoll.event e JOIN plimsoll.worker w ON w.id = e.worker WHERE e.kind = 'claimed' AND w.box LIKE '%/loses'";
    assert_eq!(sql.rows(by_the_first)[0].get::<_, i64>(0), 1);
    [loses, mended].into_iter().for_each(Worker::drain);
}

#[test]
fn what_a_broken_add_has_stored_goes_and_what_a_web_application_has_stored_stays() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let sql = Sql::new(&fleet);
    let film = world.put(&clips().tiny(), "film.mp4");
    let film_text = film.to_string_lossy().into_owned();
    let inputs = || files_below(&world.path("files/in"));
    // One that is refused removes what it has stored.
    fleet.ok(&["add", "--target", "films/a.mp4", &film_text]);
    assert_eq!(inputs().len(), 1);
    assert_eq!(fleet.say(&["add", "--target", "films/a.mp4", &film_text]).code, Some(2));
    assert_eq!(inputs().len(), 1, "{:?}", inputs());
    // One that was killed could not.
    let number = "0123456789abcdef0123456789abcdef";
    let kept = [
        format!("files/in/add-{}/film.mp4", number.replace('0', "1")),
        "files/in/upload.mp4".into(),
        "files/in/2026/a.mp4".into(),
        // So does the web application of the documentation name what it stores.
        format!("files/in/{number}/film.mp4"),
    ];
    let gone = format!("files/in/add-{number}/film.mp4");
    let young = format!("files/in/add-{}/film.mp4", number.replace('0', "2"));
    let day_ago = std::time::SystemTime::now() - Duration::from_hours(25);
    let age =
        |path: &Path| std::fs::File::options().write(true).open(path).and_then(|file| file.set_modified(day_ago)).expect("old");
    for path in kept.iter().chain([&gone]) {
        age(&world.write(path, "film"));
    }
    world.write(&young, "film");
    // The first one is named by its whole address.
    sql.rows(&format!(
        "INSERT INTO plimsoll.job (input, preset, definition) SELECT '{}/{}', preset, definition FROM plimsoll.job RETURNING 1",
        world.path("files").display(),
        kept[0].strip_prefix("files/").expect("a key")
    ));
    let before = inputs().len();
    let would: BTreeMap<String, serde_json::Value> = serde_json::from_str(&fleet.ok(&["gc", "--dry-run", "--json"])).expect("JSON");
    assert_eq!(would["removed"], serde_json::json!([gone.strip_prefix("files/").expect("a key")]));
    assert_eq!(inputs().len(), before);
    fleet.ok(&["gc", "--older-than", "0s"]);
    assert!(!world.path(&gone).exists(), "it is nobody's");
    for path in kept.iter().chain([&young]) {
        assert!(world.path(path).exists(), "{path} stays");
    }
    assert_eq!(inputs().len(), before - 1, "and so does what a job has");
}

#[test]
fn what_is_done_already_is_told_where_the_database_goes_away_on_the_way() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let sql = Sql::new(&fleet);
    let films = ["a.mp4", "b.mp4", "c.mp4"].map(|name| world.put(&clips().tiny(), name).to_string_lossy().into_owned());
    // The second one finds it gone, whatever is asked for.
    sql.rows(
        "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN RAISE EXCEPTION ''it goes away'' USING ERRCODE = ''admin_shutdown''; END'",
    );
    sql.rows(
        "CREATE TRIGGER away BEFORE INSERT OR UPDATE ON plimsoll.job FOR EACH ROW WHEN (NEW.input LIKE '%b.mp4') EXECUTE FUNCTION away()",
    );
    let [a, b, c] = films.each_ref().map(String::as_str);
    let said = fleet.say(&["add", "--json", a, b, c]);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.err));
    assert_eq!((said.code, &told["error"]["code"]), (Some(69), &"no_server".into()), "{told}\n{}", said.err);
    assert_eq!(
        (&told["jobs"], &told["left"]),
        (&serde_json::json!([fleet.jobs()[0]["job"]]), &serde_json::json!([b, c])),
        "{told}"
    );
    let said = fleet.say(&["add", a, b, c]);
    assert_eq!((said.code, said.out.as_str()), (Some(69), "1 job queued\n"), "{}", said.err);
    assert!(said.err.contains(&format!("not queued: {b} and 1 more")) && said.err.contains("it goes away"), "{}", said.err);
    // The same where jobs are changed.
    let [first, second]: [i64; 2] = [0, 1].map(|at| fleet.jobs()[at]["job"].as_i64().expect("a number"));
    sql.rows(&format!(
        "CREATE TRIGGER gone BEFORE UPDATE ON plimsoll.job FOR EACH ROW WHEN (OLD.id = {second}) EXECUTE FUNCTION away()"
    ));
    let said = fleet.say(&["cancel", "--json", &first.to_string(), &second.to_string()]);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.err));
    assert_eq!((said.code, &told["error"]["code"]), (Some(69), &"no_server".into()), "{told}\n{}", said.err);
    assert_eq!((&told["done"], &told["left"]), (&serde_json::json!([first]), &serde_json::json!([second])), "{told}");
}
