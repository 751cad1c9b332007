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
