//! Metrics of a server, as a monitoring system gets them.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::float_cmp)] // a deadline needs the clock; all figures that are compared are whole

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::markdown::page;
use crate::support::clips::clips;
use crate::support::skip::{METRICS_PARSER, skip};
use crate::support::{PATIENCE, World, patient_ffmpeg, say};
use regex::Regex;
use serde_json::Value;

/// A server in the foreground that tells metrics; killed when the test ends, unless it has ended by itself.
pub(super) struct Served<'w> {
    world: &'w World,
    child: Child,
    at: SocketAddr,
}

impl<'w> Served<'w> {
    pub(super) fn start(world: &'w World) -> Self {
        let mut command = world.command(["serve", "--metrics", "127.0.0.1:0", "-p", "balanced"]);
        command.arg("--state-dir").arg(world.path("state")).arg("-o").arg(world.path("out"));
        command.arg("--ffmpeg").arg(patient_ffmpeg(world)).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let mut said = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a line");
        let at = line.trim().strip_prefix("plimsoll: metrics at http://").and_then(|rest| rest.strip_suffix("/metrics"));
        let at = at.unwrap_or_else(|| panic!("no address in {line:?}")).parse().expect("an address");
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let server = Self { world, child, at };
        server.until("the first sample", |figures| figures["plimsoll_memory_budget_bytes"] > 0.0);
        server
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.arg("--state-dir").arg(self.world.path("state"));
        command
    }

    fn ok(&self, args: &[&str]) -> String {
        let said = say(self.command(args));
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
        said.out
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).expect("one JSON object")
    }

    /// All figures by name and labels.
    pub(super) fn figures(&self) -> BTreeMap<String, f64> {
        read_strictly(&body(&get(self.at)))
    }

    fn until(&self, what: &str, wanted: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let figures = self.figures();
            if wanted(&figures) {
                return figures;
            }
            assert!(Instant::now() < deadline, "{what} did not come: {figures:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&at, PATIENCE).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream
}

/// The whole answer to these bytes.
fn asked(at: SocketAddr, request: &str) -> String {
    let mut stream = connect(at);
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn get(at: SocketAddr) -> String {
    asked(at, "GET /metrics HTTP/1.1\r\nHost: here\r\nAccept: application/openmetrics-text\r\n\r\n")
}

/// The text of a good answer.
fn body(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    body.to_owned()
}

/// Holds every line against the OpenMetrics text format; the figures by name and labels.
fn read_strictly(text: &str) -> BTreeMap<String, f64> {
    let told = Regex::new(r"^# (HELP|TYPE|UNIT) (plimsoll_[a-z_]+) (.+)$").expect("a pattern");
    let sample = Regex::new(r#"^(plimsoll_[a-z_]+)(\{[a-z]+="[^"\\\n]*"(?:,[a-z]+="[^"\\\n]*")*\})? ([0-9]+(?:\.[0-9]+)?)$"#)
        .expect("a pattern");
    let (mut family, mut kind, mut unit) = (String::new(), String::new(), None::<String>);
    let (mut families, mut figures) = (Vec::new(), BTreeMap::new());
    let lines = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text}"));
    for line in lines.lines() {
        if let Some(told) = told.captures(line) {
            let (what, name, rest) = (&told[1], &told[2], &told[3]);
            match what {
                "HELP" => {
                    assert!(!families.iter().any(|known| known == name), "{name} is told twice");
                    families.push(name.to_owned());
                    (family, kind, unit) = (name.to_owned(), String::new(), None);
                    assert!(rest.len() > 5 && rest.ends_with('.'), "{line}");
                }
                "TYPE" => {
                    assert!(name == family && kind.is_empty() && ["gauge", "counter", "histogram"].contains(&rest), "{line}");
                    rest.clone_into(&mut kind);
                }
                _ => {
                    assert!(
                        name == family && ["bytes", "seconds"].contains(&rest) && name.ends_with(&format!("_{rest}")),
                        "{line}"
                    );
                    unit = Some(rest.to_owned());
                }
            }
            continue;
        }
        let found = sample.captures(line).unwrap_or_else(|| panic!("not a line of the format: {line:?}"));
        let suffixes: &[&str] = match kind.as_str() {
            "gauge" => &[""],
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => panic!("{line}: its type is not told before it"),
        };
        assert!(found[1].strip_prefix(&family).is_some_and(|suffix| suffixes.contains(&suffix)), "{line} under {family}");
        assert!(unit.is_some() || !family.ends_with("_bytes"), "{family} has no unit");
        let labels = found.get(2).map_or("", |labels| labels.as_str());
        let known = ["", "{level=", "{state=", "{sign=", "{le=", "{version="];
        assert!(known.iter().any(|label| labels.is_empty() || !label.is_empty() && labels.starts_with(label)), "{line}");
        let value = found[3].parse().expect("a number");
        assert!(figures.insert(format!("{}{labels}", &found[1]), value).is_none(), "{line}: twice");
    }
    let buckets = Regex::new(r#"(?m)^plimsoll_job_seconds_bucket\{le="([^"]+)"\} (\d+)$"#).expect("a pattern");
    let buckets: Vec<(f64, u64)> =
        buckets.captures_iter(text).map(|found| (found[1].parse().expect("an end"), found[2].parse().expect("a count"))).collect();
    assert!(buckets.len() > 5 && buckets.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1), "{buckets:?}");
    let last = buckets[buckets.len() - 1];
    assert!(last.0.is_infinite() && last.1 as f64 == figures["plimsoll_job_seconds_count"], "{last:?}");
    figures
}

#[test]
fn metrics_tell_the_figures_that_status_tells() {
    let world = World::new();
    for name in ["a.mp4", "b.mp4", "c.mp4", "d.mp4"] {
        world.put(&clips().tiny(), name);
    }
    let server = Served::start(&world);
    server.ok(&["add", world.path("in").to_str().expect("plain")]);
    let running = r#"plimsoll_jobs{state="running"}"#;
    server.until("two at work", |figures| figures[running] == 2.0);
    let deadline = Instant::now() + PATIENCE;
    // A sample may come between the two questions.
    loop {
        let (figures, status) = (server.figures(), server.status());
        let memory = &status["memory"];
        let same = |name: &str, told: &Value| told.as_u64().is_some_and(|bytes| figures[name] == bytes as f64);
        let sums = ["usage", "working_set", "hard", "counted", "reserved", "budget"];
        let are_same = sums.iter().all(|sum| same(&format!("plimsoll_memory_{sum}_bytes"), &memory[format!("{sum}_bytes")]))
            && same("plimsoll_memory_line_bytes", &memory["high_water_bytes"]);
        for (state, count) in status["jobs"].as_object().expect("jobs") {
            assert!(same(&format!(r#"plimsoll_jobs{{state="{state}"}}"#), count), "{state}: {count}, {figures:#?}");
        }
        let level = memory["level"].as_str().expect("a level");
        let is_set_aside = memory["usage_bytes"].as_u64() > Some(0) && memory["reserved_bytes"].as_u64() > Some(0);
        if are_same && is_set_aside && figures[&format!(r#"plimsoll_memory_level{{level="{level}"}}"#)] == 1.0 {
            let levels = figures.iter().filter(|(name, _)| name.starts_with("plimsoll_memory_level{"));
            assert_eq!(levels.map(|(_, value)| *value).sum::<f64>(), 1.0);
            break;
        }
        assert!(Instant::now() < deadline, "{figures:#?} and {memory:#}");
    }
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(server.figures()[&format!(r#"plimsoll_run_info{{version="{version}",profile="balanced"}}"#)], 1.0);
    server.ok(&["hold"]);
    server.until("the hold", |figures| figures["plimsoll_queue_held"] == 1.0);
    server.ok(&["release"]);
    server.ok(&["profile", "fast"]);
    server.until("the profile", |figures| {
        figures.contains_key(&format!(r#"plimsoll_run_info{{version="{version}",profile="fast"}}"#))
    });

    std::fs::write(world.path("state/scratch/go"), "").expect("written");
    server.ok(&["wait"]);
    let figures = server.until("four done", |figures| figures[r#"plimsoll_jobs{state="done"}"#] == 4.0);
    assert_eq!((figures[running], figures["plimsoll_queue_bytes"], figures["plimsoll_job_seconds_count"]), (0.0, 0.0, 4.0));
    assert!(figures["plimsoll_job_seconds_sum"] > 0.0 && figures["plimsoll_cleanups_total"] > 0.0, "{figures:#?}");
    let text = get(server.at);
    assert!(!text.contains("mp4") && !text.contains(world.dir.path().to_str().expect("plain")), "no file is told");
}

#[test]
fn parsers_of_prometheus_read_the_metrics() {
    let world = World::new();
    let server = Served::start(&world);
    let text = body(&get(server.at));
    let parse = |command: &mut Command| {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
        child.stdin.as_ref().expect("piped").write_all(text.as_bytes()).expect("sent");
        Some(child.wait_with_output().expect("ended"))
    };
    // The reference parser of the format.
    let script = "import sys\ntry:\n    from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
                  except ImportError:\n    sys.exit(9)\nprint(len(list(read(sys.stdin.read()))))";
    match parse(Command::new("python3").args(["-c", script])) {
        Some(output) if output.status.code() != Some(9) => {
            let count: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
            assert!(output.status.success() && count >= 15, "{}\n{text}", String::from_utf8_lossy(&output.stderr));
        }
        _ => skip(METRICS_PARSER, "there is no prometheus_client for python3"),
    }
    match parse(Command::new("promtool").args(["check", "metrics"])) {
        // It reads the older format, whose counters have `_total` in the lines of their help too; all else must please it.
        Some(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let is_only_that = said.lines().all(|line| line.ends_with("_total no help text"));
            assert!(matches!(output.status.code(), Some(0 | 3)) && is_only_that, "{:?} {said}", output.status);
        }
        None => skip(METRICS_PARSER, "there is no promtool"),
    }
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let world = World::new();
    let figures = Served::start(&world).figures();
    let name = |key: &String| {
        let name = key.split('{').next().unwrap_or_default();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        family.unwrap_or(name).to_owned()
    };
    let told: BTreeSet<String> = figures.keys().map(name).collect();
    assert_eq!(told, page("docs/operations.md").tables_below("Metrics")[0].names());
}

#[test]
fn whoever_hangs_or_sends_garbage_keeps_nobody_from_the_metrics_and_takes_no_memory() {
    let world = World::new();
    let server = Served::start(&world);
    let memory = || {
        let path = format!("/proc/{}/status", server.child.id());
        let status = std::fs::read_to_string(path).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("told").to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).expect("it lives").count();
    let _ = get(server.at);
    let (memory_before, descriptors_before) = (memory(), descriptors());
    let garbage = "\u{0}\u{1b}[31m".repeat(20_000);
    let long = format!("GET /metrics HTTP/1.1\r\nX-Long: {}", "x".repeat(4_000_000));
    let many = format!("GET /metrics HTTP/1.1\r\n{}", "a: b\r\n".repeat(100_000));
    let endless = format!("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n{}", "y".repeat(1_000_000));
    let mut hanging = Vec::new();
    for number in 0..120 {
        let mut stream = connect(server.at);
        stream.set_write_timeout(Some(Duration::from_millis(200))).expect("set");
        // It may be closed before all is sent.
        let _ = match number % 6 {
            0 => Ok(()),
            1 => stream.write_all(b"GET /metr"),
            2 => stream.write_all(garbage.as_bytes()),
            3 => stream.write_all(long.as_bytes()),
            4 => stream.write_all(many.as_bytes()),
            _ => stream.write_all(endless.as_bytes()),
        };
        hanging.push(stream);
        if number % 20 == 19 {
            assert!(server.figures()["plimsoll_memory_budget_bytes"] > 0.0);
            server.ok(&["status"]);
        }
    }
    let (memory_after, descriptors_after) = (memory(), descriptors());
    assert!(memory_after < memory_before + 2048, "{memory_before} kB before, {memory_after} kB after");
    assert!(descriptors_after <= descriptors_before + 20, "{descriptors_before} before, {descriptors_after} after");
    let refused = |request: &str, status: &str| {
        let answer = asked(server.at, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {answer}");
    };
    refused("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404");
    refused("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405");
    refused("no request\r\n\r\n", "400");
    drop(hanging);
    assert!(server.ok(&["stop"]).contains("has ended"));
}

#[test]
fn an_address_that_cannot_be_had_is_told_and_nothing_is_run() {
    let world = World::new();
    let serve = |address: &str, more: &[&str]| {
        let mut command = world.command(["serve", "--metrics", address]);
        command.args(more).arg("--state-dir").arg(world.path("state")).arg("--ffmpeg").arg(patient_ffmpeg(&world));
        say(command)
    };
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("known").to_string();
    for more in [&[][..], &["--daemon"]] {
        let said = serve(&address, more);
        let words = format!("there can be no metrics at {address}: address already in use; give another address with --metrics");
        assert!(said.code == Some(2) && said.err.contains(&words), "{:?} {}", said.code, said.err);
    }
    for address in ["", "metrics", "127.0.0.1", "127.0.0.1:99999", "example.com:80", "unix:/tmp/x"] {
        let said = serve(address, &[]);
        assert!(said.code == Some(2) && said.err.contains("give a port, such as 9464"), "{address}: {:?} {}", said.code, said.err);
    }
    assert!(!world.path("state/plimsoll.db").exists(), "nothing was run");
}
