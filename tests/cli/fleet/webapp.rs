//! The web application of docs/examples as its users see it, with a worker behind it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::fixture::Fleet;
use super::s3::environment;
use crate::s3::Server;
use crate::support::clips::{clips, probe};
use crate::support::{PATIENCE, Said, World, say};

/// Flask on a port of its own; ended with the test.
struct App {
    child: Child,
    at: String,
    lines: Receiver<String>,
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl App {
    fn start(fleet: &Fleet<'_>) -> Self {
        let mut command = Command::new(environment_of_python().join("bin/flask"));
        command.arg("--app").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/webapp.py"));
        command.args(["run", "--port", "0"]).current_dir(fleet.world.path("work"));
        command.env("PLIMSOLL_QUEUE", fleet.postgres.address()).envs(fleet.files.iter().map(|(name, value)| (name, value)));
        command.env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1").env("HOME", fleet.world.path("home"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("flask runs");
        let (sender, lines) = channel();
        let stderr = child.stderr.take().expect("a pipe");
        std::thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut app = Self { child, at: String::new(), lines };
        let mut told = String::new();
        while app.at.is_empty() {
            let line = app.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not serve: {told}"));
            if let Some((_, at)) = line.split_once("Running on ") {
                at.trim().clone_into(&mut app.at);
            }
            told += &(line + "\n");
        }
        app
    }

    /// What a browser would do; what the server says in answer, and its status after all redirections.
    fn curl(&self, args: &[&str]) -> Said {
        let mut command = Command::new("curl");
        command.args(["-sS", "-L", "-w", "\n%{http_code} %{url_effective}", "--max-time", "60"]).args(args);
        let said = say(command);
        assert_eq!(said.code, Some(0), "{}\n{:?}", said.err, self.lines.try_iter().collect::<Vec<_>>());
        said
    }
}

/// The folder of a Python with what the application imports, kept for the next time.
fn environment_of_python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("webapp");
    let run = |program: &Path, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args);
        let said = say(command);
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
    };
    if !folder.join("bin/flask").is_file() {
        run(Path::new("python3"), &["-m", "venv", &folder.to_string_lossy()]);
        run(&folder.join("bin/pip"), &["install", "--quiet", "flask", "psycopg[binary]", "boto3"]);
    }
    folder
}

#[test]
#[ignore = "fetches Flask, psycopg and boto3 from PyPI; `just fleet` runs it"]
fn the_web_application_of_the_examples_takes_a_film_and_shows_it_converted() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/webapp.py")).expect("read");
    assert!(text.lines().count() <= 60, "an example that is read at one sitting");
    let (world, server) = (World::new(), Server::start());
    server.manners.honest.store(true, Ordering::SeqCst);
    let Some(fleet) = Fleet::with_files(&world, "60s", environment(&server)) else { return };
    let (worker, app) = (fleet.worker("worker", &[]), App::start(&fleet));
    let form = app.curl(&[&app.at]);
    assert!(form.out.contains("<option>web-720p") && form.out.ends_with(&format!("200 {}/", app.at)), "{}", form.out);

    // A name that would lead elsewhere, and would be markup, if it were taken as it is.
    let film = format!("film=@{};filename=\"../../<b>my film.mp4\"", clips().tiny().display());
    let refused = app.curl(&["-F", &film, "-F", "preset=no-such", &app.at]);
    assert!(refused.out.contains("\n400 "), "{}", refused.out);
    assert!(fleet.jobs().is_empty(), "nothing is queued of what is refused");
    let shown = app.curl(&["-F", &film, "-F", "preset=proxy-480p", &app.at]);
    let (_, page) = shown.out.rsplit_once("\n200 ").unwrap_or_else(|| panic!("{}", shown.out));
    assert!(page.starts_with(&format!("{}/films/", app.at)), "{page}");

    let deadline = Instant::now() + PATIENCE;
    let done = loop {
        let said = app.curl(&[page]).out;
        if said.contains(": done") {
            break said;
        }
        assert!(Instant::now() < deadline, "{said}\n{:#?}\n{}", fleet.jobs(), fleet.logs());
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(done.contains("bmy_film.mp4: done") && !done.contains("refresh"), "{done}");
    let link = done.split_once("href=\"").and_then(|(_, rest)| rest.split_once('"')).expect("a link").0.replace("&amp;", "&");
    let into = world.path("watched.mp4");
    let fetched = app.curl(&["-o", &into.to_string_lossy(), &link]);
    assert!(fetched.out.contains("\n200 "), "{}", fetched.out);
    let job = fleet.jobs().remove(0);
    assert_eq!(blake3::hash(&std::fs::read(&into).expect("fetched")).to_hex().as_str(), job["blake3"], "{job}");
    assert!(probe(&into).is_some(), "it plays");
    assert_eq!(job["preset"], "proxy-480p");
    let input = job["input"].as_str().expect("a key");
    assert!(server.file(&format!("prod/{input}")).is_file() && input.ends_with("/bmy_film.mp4"), "{input}");
    // Without the signature the bucket gives nothing away; a film that nobody has uploaded has no page.
    let bare = app.curl(&[link.split('?').next().expect("an address")]);
    assert!(!bare.out.contains("\n200 "), "{}", bare.out);
    let unknown = app.curl(&[&format!("{}/films/00000000-0000-4000-8000-000000000000", app.at)]);
    assert!(unknown.out.contains("\n404 "), "{}", unknown.out);
    worker.drain();
}
