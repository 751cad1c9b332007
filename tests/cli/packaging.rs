//! What is shipped beside the program: units, alert rules, the dashboard, the image. Each is held against the tool that reads it,
//! and against the program that it speaks of.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use super::metrics::Served;
use crate::support::World;
use crate::support::skip::{HADOLINT, METRICS_PARSER, SYSTEMD, skip};

/// The unit may expose this much at most, of 10, as `systemd-analyze security` counts.
const EXPOSED: f64 = 2.5;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a tool says, and whether it is content; `None` where there is no such tool.
fn judged(command: &mut Command) -> Option<(bool, String)> {
    let output = command.output().ok()?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), said))
}

#[test]
fn systemd_takes_the_units_and_finds_the_service_well_fenced() {
    let world = World::new();
    let service = text("packaging/plimsoll.service").replace("/usr/bin/plimsoll", crate::support::PLIMSOLL);
    let service = world.write("unit/plimsoll.service", service);
    let socket = world.write("unit/plimsoll.socket", text("packaging/plimsoll.socket"));
    let analyze = |args: &[&str], files: &[&Path]| {
        judged(Command::new("systemd-analyze").args(args).args(files).env("XDG_RUNTIME_DIR", world.dir.path()))
    };
    match analyze(&["verify"], &[&service, &socket]) {
        None => return skip(SYSTEMD, "it is not installed"),
        // It cannot do anything here, whatever the unit says.
        Some((_, said)) if said.contains("Failed to initialize manager") => return skip(SYSTEMD, said),
        Some((is_right, said)) => assert!(is_right && said.is_empty(), "{said}"),
    }
    let (_, said) = analyze(&["security", "--offline=yes", "--no-pager"], &[&service]).expect("as before");
    let level = Regex::new(r"exposure level for \S+: ([0-9.]+) ").expect("a pattern");
    let level: f64 = level.captures(&said).unwrap_or_else(|| panic!("no level: {said}"))[1].parse().expect("a number");
    assert!(level <= EXPOSED, "{level} is more than {EXPOSED}:\n{said}");
}

#[test]
fn socket_user_and_folders_of_the_package_are_those_of_the_service() {
    let (service, socket) = (text("packaging/plimsoll.service"), text("packaging/plimsoll.socket"));
    let value = |unit: &str, key: &str| {
        let found = unit.lines().find_map(|line| line.strip_prefix(&format!("{key}=")).map(str::to_owned));
        found.unwrap_or_else(|| panic!("no {key} in {unit}"))
    };
    let state = format!("/var/lib/{}", value(&service, "StateDirectory"));
    let user = value(&service, "User");
    let command = value(&service, "ExecStart");
    assert!(command.contains(&format!("--state-dir {state} --out {state}/films")), "{command}");
    assert_eq!(value(&socket, "ListenStream"), format!("{state}/{}", plimsoll::wire::socket::CONTROL));
    assert_eq!((value(&socket, "SocketUser"), value(&socket, "SocketMode")), (user.clone(), "0600".to_owned()));
    let users = text("packaging/plimsoll.sysusers");
    assert!(users.lines().any(|line| line.starts_with(&format!("u {user} - ")) && line.ends_with(&state)), "{users}");
    let folders = text("packaging/plimsoll.tmpfiles");
    for folder in [&state, &format!("{state}/incoming"), &format!("{state}/films")] {
        let is_it = |line: &str| line.starts_with(&format!("d {folder} ")) && line.contains(&format!(" {user} {user} "));
        assert!(folders.lines().any(is_it), "{folder}: {folders}");
    }
    // What the service is told by a file beside it names options that there are.
    for line in text("packaging/plimsoll.default").lines().filter(|line| line.starts_with("#   --")) {
        let words = line.trim_start_matches('#').split("  ").map(str::trim).find(|words| !words.is_empty()).expect("an option");
        let line = ["plimsoll", "serve"].into_iter().chain(words.split(' '));
        let read = <plimsoll::cli::args::Cli as clap::Parser>::try_parse_from(line);
        assert!(read.is_ok(), "{words}: {:?}", read.err());
    }
}

/// Everything of the dashboard and of the rules that asks for figures.
fn queries() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let dashboard: Value = serde_json::from_str(&text("packaging/grafana-dashboard.json")).expect("JSON");
    let rules: Value = serde_yaml::from_str(&text("packaging/plimsoll.rules.yml")).expect("YAML");
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    collect(&rules, &mut found);
    found
}

#[test]
fn dashboard_and_alerts_ask_only_for_what_a_server_tells() {
    let world = World::new();
    let figures = Served::start(&world).figures();
    let told: BTreeSet<&str> = figures.keys().map(|key| key.split('{').next().unwrap_or_default()).collect();
    let (name, label) = (Regex::new(r"\bplimsoll_\w+").expect("a pattern"), Regex::new(r#"(\w+)="([^"]*)""#).expect("a pattern"));
    let queries = queries();
    assert!(queries.len() > 30, "{}", queries.len());
    let mut asked = BTreeSet::new();
    for query in &queries {
        for found in name.find_iter(query) {
            assert!(told.contains(found.as_str()), "{} is not told: {query}", found.as_str());
            asked.insert(found.as_str());
        }
        for found in label.captures_iter(query).filter(|found| ["level", "state", "sign"].contains(&&found[1])) {
            let is_told = figures.keys().any(|key| key.ends_with(&format!("{{{}=\"{}\"}}", &found[1], &found[2])));
            assert!(is_told, "{}=\"{}\" is not told: {query}", &found[1], &found[2]);
        }
    }
    // `plimsoll_warnings` is the number of those that are told one by one.
    let missing: Vec<_> = told.difference(&asked).filter(|name| **name != "plimsoll_warnings").collect();
    assert!(missing.is_empty(), "nobody looks at {missing:?}");
}

#[test]
fn prometheus_takes_the_alerts_and_each_fires_when_it_should_and_not_otherwise() {
    let promtool = |args: &[&str], file: &Path| judged(Command::new("promtool").args(args).arg(file));
    let Some((is_right, said)) = promtool(&["check", "rules"], &shipped("packaging/plimsoll.rules.yml")) else {
        return skip(METRICS_PARSER, "there is no promtool");
    };
    assert!(is_right, "{said}");
    let tests = "packaging/plimsoll.rules.test.yml";
    let (is_right, said) = promtool(&["test", "rules"], &shipped(tests)).expect("as before");
    assert!(is_right, "{said}");
    // Every alert is tried both ways.
    let rules: Value = serde_yaml::from_str(&text("packaging/plimsoll.rules.yml")).expect("YAML");
    let tried: Value = serde_yaml::from_str(&text(tests)).expect("YAML");
    let tried: Vec<(String, bool)> = tried["tests"]
        .as_array()
        .expect("tests")
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_array().expect("tries").clone())
        .map(|try_| (try_["alertname"].as_str().expect("a name").to_owned(), try_["exp_alerts"] == serde_json::json!([])))
        .collect();
    for rule in rules["groups"][0]["rules"].as_array().expect("rules") {
        let name = rule["alert"].as_str().expect("a name").to_owned();
        for is_silent in [true, false] {
            assert!(tried.contains(&(name.clone(), is_silent)), "{name}: never tried to be silent = {is_silent}");
        }
    }
    // The queries of the dashboard are right too: as rules that record them.
    let dashboard: Value = serde_json::from_str(&text("packaging/grafana-dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let asked = panels.flat_map(|panel| panel["targets"].as_array().expect("queries")).map(|target| &target["expr"]);
    let recorded: Vec<Value> = asked
        .enumerate()
        .map(|(number, query)| {
            let query = query.as_str().expect("a query").replace("$__rate_interval", "1m").replace("$__range", "1h");
            serde_json::json!({ "record": format!("query:{number}"), "expr": query.replace("$instance", ".*") })
        })
        .collect();
    let world = World::new();
    let group = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": recorded }] });
    let (is_right, said) = promtool(&["check", "rules"], &world.write("dashboard.yml", group.to_string())).expect("as before");
    assert!(is_right && said.contains(&format!("{} rules found", recorded.len())), "{said}");
}

#[test]
fn every_panel_of_the_dashboard_says_what_it_shows_and_has_a_place_of_its_own() {
    let dashboard: Value = serde_json::from_str(&text("packaging/grafana-dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut taken = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(panel["description"].as_str().is_some_and(|words| words.len() > 10), "{title}: no description");
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{title}: asks for nothing");
        assert!(numbers.insert(panel["id"].as_u64()), "{title}: its number is another's");
        let side = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        assert!(side("x") + side("w") <= 24, "{title}: wider than the page");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
    }
    let variables: BTreeSet<_> =
        dashboard["templating"]["list"].as_array().expect("variables").iter().map(|v| v["name"].as_str()).collect();
    let used = Regex::new(r"\$\{?([a-z]+)\}?").expect("a pattern");
    for found in used.captures_iter(&dashboard.to_string()) {
        assert!(variables.contains(&Some(&found[1])), "${} is no variable of the dashboard", &found[1]);
    }
}

#[test]
fn the_image_is_built_as_a_linter_of_such_files_wants_it() {
    match judged(Command::new("hadolint").arg(shipped("Dockerfile"))) {
        Some((is_right, said)) => assert!(is_right && said.is_empty(), "{said}"),
        None => skip(HADOLINT, "it is not installed"),
    }
}

#[test]
fn the_package_holds_files_that_are_there_and_all_presets_and_profiles() {
    let manifest = text("Cargo.toml");
    let deb = manifest.split("[package.metadata.deb]").nth(1).expect("a package").split("\n[").next().expect("its keys");
    let assets = Regex::new(r#"\["([^"]+)", "([^"]+)", "(\d+)"\]"#).expect("a pattern");
    let mut places = BTreeSet::new();
    for found in assets.captures_iter(deb) {
        let (from, to) = (&found[1], &found[2]);
        let is_made = from.starts_with("target/");
        let folder = from.trim_end_matches(|c| c != '/');
        assert!(is_made || shipped(from).exists() || from.contains('*') && shipped(folder).is_dir(), "{from} is not there");
        places.insert(to.to_owned());
    }
    for place in ["usr/bin/", "usr/share/plimsoll/presets/", "usr/share/plimsoll/profiles/", "usr/share/man/man1/"] {
        assert!(places.contains(place), "nothing is put into {place}");
    }
    // What it asks maintainer scripts to do is done for files that it holds.
    for place in ["usr/lib/sysusers.d/plimsoll.conf", "usr/lib/tmpfiles.d/plimsoll.conf"] {
        assert!(places.contains(place), "{place} is missing");
    }
}
