//! Scripts that wait for a server, and the line between them: it may be cut while both live, and it ends with the server.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::served::Server;
use crate::support::{PATIENCE, World};
use plimsoll::wire::socket::CONTROL;

/// Stands between a script and the server, and cuts the line when it is told to.
struct Relay {
    /// The state folder that the script is to be given.
    folder: PathBuf,
    lines: Arc<Mutex<Vec<UnixStream>>>,
    /// All that the server has said.
    said: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    fn new(world: &World, name: &str) -> Self {
        let folder = world.path(name);
        std::fs::create_dir(&folder).expect("made");
        let listener = UnixListener::bind(folder.join(CONTROL)).expect("listens");
        let (lines, said) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (cut, heard, server) = (Arc::clone(&lines), Arc::clone(&said), world.path("state").join(CONTROL));
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (Ok(near), Ok(far)) = (near, UnixStream::connect(&server)) else { return };
                let copy = |stream: &UnixStream| stream.try_clone().expect("a copy");
                cut.lock().expect("whole").extend([copy(&near), copy(&far)]);
                let (mut up, mut down, heard) = ((copy(&near), copy(&far)), (far, near), Arc::clone(&heard));
                std::thread::spawn(move || std::io::copy(&mut up.0, &mut up.1));
                std::thread::spawn(move || {
                    let mut piece = [0; 4096];
                    while let Ok(size @ 1..) = down.0.read(&mut piece) {
                        heard.lock().expect("whole").extend_from_slice(&piece[..size]);
                        if down.1.write_all(&piece[..size]).is_err() {
                            break;
                        }
                    }
                    let _ = down.1.shutdown(Shutdown::Both);
                });
            }
        });
        Self { folder, lines, said }
    }

    /// Waits until the server has said something with this in it.
    fn until_said(&self, wanted: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !String::from_utf8_lossy(&self.said.lock().expect("whole")).contains(wanted) {
            assert!(Instant::now() < deadline, "the server never said {wanted}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn cut(&self) {
        self.said.lock().expect("whole").clear();
        for line in self.lines.lock().expect("whole").drain(..) {
            let _ = line.shutdown(Shutdown::Both);
        }
    }
}

/// A `wait` and a `logs -f` for the first job, each over a relay of its own, that have asked all that they ask in the beginning.
fn followers(server: &Server) -> (Relay, Child, Relay, Child) {
    let start = |relay: &Relay, args: &[&str]| {
        let mut command = server.world.command(args);
        command.arg("--state-dir").arg(&relay.folder).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("starts")
    };
    let (waits, follows) = (Relay::new(server.world, "waits"), Relay::new(server.world, "follows"));
    let (waiter, follower) = (start(&waits, &["wait", "1"]), start(&follows, &["logs", "-f", "1"]));
    waits.until_said("\"answered\"");
    // The row of the job, and its log.
    follows.until_said("\"answered\":{\"number\":2");
    (waits, waiter, follows, follower)
}

#[test]
fn scripts_that_wait_go_on_over_a_line_that_was_cut_while_their_server_lives() {
    let world = World::new();
    let server = Server::at_work(&world);
    let (waits, waiter, follows, follower) = followers(&server);
    for relay in [&waits, &follows] {
        relay.cut();
        relay.until_said("\"resumed\"");
    }
    server.let_go();
    let (waited, followed) = (waiter.wait_with_output().expect("it ends"), follower.wait_with_output().expect("it ends"));
    let words = |said: &Output| String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(waited.status.success(), "{}", words(&waited));
    assert!(followed.status.success(), "{}", words(&followed));
    let told = String::from_utf8(followed.stdout).expect("UTF-8");
    assert!(told.contains("output in place"), "it was followed to the end of the job: {told}");
}

#[test]
fn scripts_that_wait_say_that_the_server_has_ended_before_their_job() {
    let world = World::new();
    let server = Server::at_work(&world);
    let (_waits, waiter, _follows, follower) = followers(&server);
    server.ok(&["stop"]);
    for script in [waiter, follower] {
        let ended = script.wait_with_output().expect("it ends");
        let words = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.code() == Some(1) && words.contains("the server has ended before"), "{:?}: {words}", ended.status);
    }
}
