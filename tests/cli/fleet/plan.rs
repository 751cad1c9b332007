//! `plan --fleet` on a real queue.

use std::collections::BTreeSet;

use plimsoll::host::fleet::db::Database;
use serde_json::Value;

use super::fixture::{Fleet, all_done};
use crate::markdown::page;
use crate::support::clips::make_clips;
use crate::support::{Said, World, say};

fn plan(fleet: &Fleet<'_>, args: &[&str]) -> Said {
    let mut command = fleet.command(&["plan", "--fleet", "--runs", "5"]);
    command.arg("--state-dir").arg(fleet.world.path("none")).args(args);
    say(command)
}

fn json(fleet: &Fleet<'_>, args: &[&str]) -> Value {
    let said = plan(fleet, &[&["--json"], args].concat());
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    serde_json::from_str(&said.out).expect("one JSON object")
}

fn way<'a>(plan: &'a Value, name: &str) -> &'a Value {
    plan["plans"].as_array().expect("plans").iter().find(|way| way["name"] == name).unwrap_or_else(|| panic!("{name}: {plan}"))
}

fn took(plan: &Value, name: &str) -> f64 {
    way(plan, name)["finish_p50_seconds"].as_f64().unwrap_or_else(|| panic!("{name} has no end: {plan}"))
}

/// A statement of an operator's.
fn sql(fleet: &Fleet<'_>, statement: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let db = Database::new(&fleet.postgres.address()).expect("an address");
    runtime.block_on(db.rows(statement, &[])).expect("done");
}

#[test]
fn a_plan_tells_when_the_queue_is_done_with_the_boxes_there_are_and_with_more_and_larger_ones() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let empty = plan(&fleet, &[]);
    assert_eq!(empty.code, Some(2), "{}{}", empty.out, empty.err);
    assert!(empty.err.contains("no job waits or runs") && empty.err.contains("fleet add"), "{}", empty.err);
    // A real box teaches what jobs take. It is killed then, and seems to be there for as long as its lease.
    make_clips(&world, 1, "320x180", 20);
    fleet.add(&[world.path("in")]);
    let worker = fleet.worker("box", &["--budget", "600MB"]);
    fleet.until("it is done", all_done);
    drop(worker);
    let stays = "UPDATE plimsoll.worker SET lease_until = now() + interval '1 h', profile = 'balanced', slots = 2, drained = true,
        line_bytes = 450 * 1048576::bigint, largest_bytes = 560 * 1048576::bigint RETURNING 1";
    sql(&fleet, stays);
    let queued = |number: &str, needs: &str| {
        sql(
            &fleet,
            &format!(
                "INSERT INTO plimsoll.job (input, preset, definition, size_bytes, needs)
                 SELECT 'in/{number}.mp4', preset, definition, size_bytes * 100, {needs} FROM plimsoll.job, generate_series(1, 20)
                 WHERE state = 'done' RETURNING 1"
            ),
        );
    };
    queued("known", "needs");
    queued("unknown", "NULL");
    let nobody = json(&fleet, &["--add", "1x1GB"]);
    assert_eq!((&way(&nobody, "now")["boxes"], &way(&nobody, "now")["left"]), (&Value::from(0), &Value::from(40)), "{nobody}");
    assert!(way(&nobody, "now")["finish_p50_seconds"].is_null() && took(&nobody, "+1x1 GB") > 0.0, "{nobody}");
    let box_name = fleet.json(&["status", "--json"])["workers"][0]["box"].as_str().expect("a box").to_owned();
    fleet.ok(&["drain", "--undo", &box_name]);
    sql(
        &fleet,
        "INSERT INTO plimsoll.job (input, preset, definition, size_bytes, needs)
         SELECT 'in/large.mp4', preset, definition, size_bytes, 1500 * 1048576::bigint FROM plimsoll.job WHERE state = 'done' RETURNING 1",
    );
    let args = ["--add", "1x600MB", "--add", "2x2GB"];
    let told = json(&fleet, &args);
    let names: Vec<&str> = told["plans"].as_array().expect("plans").iter().filter_map(|way| way["name"].as_str()).collect();
    assert_eq!(names, ["now", "+1x600 MB", "+2x2 GB", "+1x600 MB +2x2 GB"]);
    assert_eq!((told["guessed_jobs"].as_i64(), told["learned_from"].as_i64()), (Some(0), Some(1)), "{told}");
    let left = |name: &str| way(&told, name)["left"].as_i64();
    assert_eq!((left("now"), left("+1x600 MB"), left("+2x2 GB")), (Some(1), Some(1), Some(0)), "{told}");
    assert!(took(&told, "+1x600 MB") < took(&told, "now"), "{told}");
    let named = &told["too_large"][0];
    assert_eq!((told["too_large_jobs"].as_i64(), named["input"].as_str()), (Some(1), Some("in/large.mp4")), "{told}");
    let budget = named["box_budget_bytes"].as_i64().expect("bytes") >> 20;
    let enough = json(&fleet, &["--add", &format!("1x{budget}MB")]);
    assert_eq!(enough["plans"][1]["left"], 0, "a box as large as was told: {enough}");
    // For people, and as the documentation says.
    let text = plan(&fleet, &args).out;
    assert!(text.contains("in/large.mp4) needs 1500 MB") && text.contains(&format!("--add 1x{budget}MB")), "{text}");
    assert!(text.lines().any(|line| line.starts_with("now ")) && text.contains("DONE BY"), "{text}");
    let tables = page("docs/scripting.md").tables_below("plan --fleet --json");
    for (value, table) in [&told, &told["plans"][0], named].into_iter().zip(&tables) {
        let keys: BTreeSet<String> = value.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(keys, table.names());
    }
    assert_eq!(tables.len(), 3);
}

#[test]
fn what_cannot_be_planned_says_why() {
    let world = World::new();
    let cases: [(&[&str], &str); 6] = [
        (&["plan", "--fleet"], "PLIMSOLL_QUEUE"),
        (&["plan", "--fleet", "--add", "2GB"], "write it as 2x1GB"),
        (&["plan", "--fleet", "--add", "0x1GB"], "1 to 1000 can"),
        (&["plan", "--fleet", "--add", "2x1MB"], "takes no job"),
        (&["plan", "--add", "2x1GB"], "--fleet"),
        (&["plan", "--fleet", "in"], "--fleet"),
    ];
    for (args, why) in cases {
        let said = say(world.command(args));
        assert_eq!(said.code, Some(2), "{args:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(why), "{args:?}: {}", said.err);
    }
    let away = say(world.command(["plan", "--fleet", "--queue", "postgres://x@/y?host=/nowhere"]));
    assert_eq!(away.code, Some(69), "{}", away.err);
}

/// A box as its worker has told of it, for an hour.
fn there(fleet: &Fleet<'_>, name: &str, (slots, line, largest): (u32, u64, u64)) {
    sql(
        fleet,
        &format!(
            "INSERT INTO plimsoll.worker (id, box, host, pid, version, ffmpeg, profile, lease_until, slots, line_bytes, largest_bytes)
             VALUES (gen_random_uuid(), '{name}', '{name}', 1, '1', '6', 'balanced', now() + interval '1 h', {slots},
                 {line} * 1048576::bigint, {largest} * 1048576::bigint) RETURNING 1"
        ),
    );
}

/// So many jobs of 10 MB that need so many MB, in this state.
fn jobs(fleet: &Fleet<'_>, count: u32, needs: u64, state: &str) {
    sql(
        fleet,
        &format!(
            "INSERT INTO plimsoll.job (input, preset, definition, size_bytes, needs, {})
             SELECT 'in/a.mp4', name, definition, 10 * 1048576, {needs} * 1048576::bigint, {}
             FROM plimsoll.preset, generate_series(1, {count}) WHERE name = 'web-720p' RETURNING 1",
            state.split_once(" = ").expect("columns").0,
            state.split_once(" = ").expect("values").1,
        ),
    );
}

const WAITS: &str = "state = 'queued'";

#[test]
fn every_fact_that_the_queue_has_of_jobs_and_boxes_bears_on_the_plan() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    // What has finished: small jobs in 40 s, one that needed four times as much in 400 s.
    jobs(&fleet, 3, 200, "state, ended_at, took_seconds = 'done', now(), 40");
    jobs(&fleet, 3, 800, "state, ended_at, took_seconds = 'done', now(), 400");
    there(&fleet, "one", (1, 450, 560));
    jobs(&fleet, 12, 200, WAITS);
    let plan = || json(&fleet, &["--add", "1x1GB", "--add", "2x1GB"]);
    let base = plan();
    let now = took(&base, "now");
    assert!((430.0..560.0).contains(&now), "12 jobs take what like ones took: {now}");
    // Added boxes: as many as were said, with the slots of the profile.
    let slots = |plan: &Value, name: &str| way(plan, name)["slots"].as_i64();
    assert_eq!((slots(&base, "now"), slots(&base, "+1x1 GB"), slots(&base, "+2x1 GB")), (Some(1), Some(3), Some(5)), "{base}");
    // A profile that decides on its slots by itself has as many as the boxes that are there.
    assert_eq!(slots(&json(&fleet, &["--add", "1x1GB", "-p", "adaptive"]), "+1x1 GB"), Some(2));
    let (one, two) = (took(&base, "+1x1 GB"), took(&base, "+2x1 GB"));
    assert!(one < 0.6 * now && two < 0.8 * one, "{now} {one} {two}");
    // A box that stands down or is lost takes nothing.
    for (away, back) in [
        ("stands_down = 'no disk'", "stands_down = NULL"),
        ("lease_until = now() - interval '1 min'", "lease_until = now() + interval '1 h'"),
    ] {
        sql(&fleet, &format!("UPDATE plimsoll.worker SET {away} RETURNING 1"));
        let none = plan();
        assert_eq!(
            (way(&none, "now")["boxes"].as_i64(), way(&none, "now")["left"].as_i64()),
            (Some(0), Some(12)),
            "{away}: {none}"
        );
        sql(&fleet, &format!("UPDATE plimsoll.worker SET {back} RETURNING 1"));
    }
    // What is at work counts, and of that the rest alone.
    let at_work = "state, worker, progress = 'running', (SELECT id FROM plimsoll.worker), 0.5";
    jobs(&fleet, 1, 200, at_work);
    let rest = |done: f64| {
        let far = "UPDATE plimsoll.job SET size_bytes = 200 * 1048576, progress =";
        sql(&fleet, &format!("{far} {done} WHERE state = 'running' RETURNING 1"));
        took(&plan(), "now")
    };
    let (half, nearly) = (rest(0.5), rest(0.99));
    assert!(half > now + 300.0 && nearly < now + 50.0 && nearly > now, "{now} {half} {nearly}");
    sql(&fleet, "DELETE FROM plimsoll.job WHERE state = 'running' RETURNING 1");
    // The line of a box decides how many stand beside each other, the largest job that it takes what is tried there at all.
    let with = |slots: u32, line: u64| {
        let told = format!("slots = {slots}, line_bytes = {line} * 1048576::bigint, largest_bytes = 560 * 1048576::bigint");
        sql(&fleet, &format!("UPDATE plimsoll.worker SET {told} RETURNING 1"));
        took(&plan(), "now")
    };
    let (narrow, wide) = (with(2, 260), with(2, 520));
    assert!(narrow > 1.6 * wide && (430.0..560.0).contains(&narrow), "{narrow} {wide}");
    jobs(&fleet, 1, 540, WAITS);
    assert_eq!(way(&plan(), "now")["left"], 0, "it is tried alone");
    // Of a queue that is too long to be simulated half of the jobs stand for all.
    with(8, 2000);
    sql(&fleet, "UPDATE plimsoll.worker SET largest_bytes = 2500 * 1048576::bigint RETURNING 1");
    jobs(&fleet, 1000, 200, WAITS);
    let long = json(&fleet, &[]);
    assert_eq!((long["simulated"].as_i64(), long["waiting"].as_i64()), (Some(507), Some(1013)), "{long}");
    assert!(took(&long, "now") > 1013.0 * 40.0 / 8.0, "{long}");
}
