//! The line to an engine over a real socket: what it tells is what a line within the process tells, whatever becomes of it.
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plimsoll::domain::command::{Command, RequestId};
use plimsoll::domain::job::{LogLevel, LogLine, WholeLog};
use plimsoll::domain::state::{Backlog, State};
use plimsoll::domain::stored::RowsWanted;
use plimsoll::domain::time::Wall;
use plimsoll::domain::units::Bytes;
use plimsoll::domain::watch::{DeleteInput, WatchState, Watched};
use plimsoll::engine::port::{Effect, Host, Input, Page};
use plimsoll::runtime::clock::Clock;
use plimsoll::runtime::driver::Driver;
use plimsoll::runtime::hub::Attacher;
use plimsoll::runtime::link::{LineNews, Link, Lookup, Update};
use plimsoll::wire::client::{self, Caller, Door, OpenError, Opened};
use plimsoll::wire::message::{self, CLIENT_NAMES, ClientLine, Facts, Read, SERVER_NAMES, SPOKEN, ServerLine, Versions};
use plimsoll::wire::server::{self, Service};
use plimsoll::wire::socket::{self, CONTROL, VIEW};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{greeting, modelled};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// In which something would come that is not to come.
const MOMENT: Duration = Duration::from_millis(300);

/// A host that does nothing: the engine alone makes the events.
struct Nothing;

impl Host for Nothing {
    fn perform(&mut self, _effect: Effect) {}
}

/// An engine that is served.
struct Served {
    folder: TempDir,
    attacher: Attacher,
    ended: std::sync::mpsc::Receiver<()>,
    /// The processes of its consoles, each time that they change.
    consoles: std::sync::mpsc::Receiver<Vec<u32>>,
}

impl Served {
    fn start() -> Self {
        let (served, inputs) = Self::reading(None);
        inputs.send(Input::Paged(Page::default())).expect("the engine listens");
        served
    }

    /// One that soon ends when nobody needs it, and a console on it: until that is there the queue is not read, and the server
    /// does not end.
    fn with_a_console() -> (Self, Knows) {
        let (served, inputs) = Self::reading(Some(Duration::from_millis(300)));
        let console = Knows::new(served.console().link);
        inputs.send(Input::Paged(Page::default())).expect("the engine listens");
        (served, console)
    }

    /// One whose queue is not read yet; what it is told comes through what is returned.
    fn reading(exit_when_idle: Option<Duration>) -> (Self, UnboundedSender<Input>) {
        Self::knowing(exit_when_idle, Lookup::default())
    }

    /// The same, where this can be looked up.
    fn knowing(exit_when_idle: Option<Duration>, lookup: Lookup) -> (Self, UnboundedSender<Input>) {
        let folder = tempfile::tempdir().expect("a folder");
        let (inputs, results) = tokio::sync::mpsc::unbounded_channel();
        let config = modelled::config(modelled::profile("balanced", 2, 200), modelled::sound());
        let driver = Driver::new(config, Nothing, results, Clock::start());
        let (attacher, visitors) = (driver.attacher(), driver.visitors());
        let (doors, listeners) = socket::open(folder.path(), None).expect("open");
        let (over, is_over) = tokio::sync::oneshot::channel::<()>();
        let kept = inputs.clone();
        std::thread::spawn(move || {
            // Open for as long as the engine runs.
            let _kept = kept;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            runtime.block_on(driver.run());
            drop(doors);
            let _ = over.send(());
        });
        let hello = greeting::hello(folder.path());
        let (told, ended) = std::sync::mpsc::channel();
        let (counted, consoles) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let attach = Box::new(move || visitors.attach());
            let on_consoles = Box::new(move |processes| drop(counted.send(processes)));
            let service = Service {
                attach,
                lookup,
                hello,
                facts: Facts::default(),
                on_consoles,
                exit_when_idle,
                is_busy: Box::new(|| false),
            };
            let over = async { drop(is_over.await) };
            tokio::task::LocalSet::new().block_on(&runtime, server::serve(listeners, service, over)).expect("served");
            let _ = told.send(());
        });
        (Self { folder, attacher, ended, consoles }, inputs)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A console over the socket.
    fn console(&self) -> Opened {
        open(self.path(), Caller { console: true, follow: true, view: false }).expect("connected")
    }

    fn end(self) {
        let link = self.attacher.attach();
        link.requests.send(RequestId(1), Command::Shutdown);
        self.ended.recv_timeout(PATIENCE).expect("it ends");
    }
}

fn open(folder: &Path, caller: Caller) -> Result<Opened, OpenError> {
    client::open(Door::Here(folder.to_owned()), caller)
}

/// A front end that knows what it was told, and sees that nothing is told twice or left out.
struct Knows {
    link: Link,
    clock: tokio::runtime::Runtime,
    state: State,
    events: u64,
    snapshots: u32,
    replies: Vec<(u64, bool)>,
    news: Vec<LineNews>,
}

impl Knows {
    fn new(link: Link) -> Self {
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self { link, clock, state: State::default(), events: 0, snapshots: 0, replies: Vec::new(), news: Vec::new() }
    }

    /// Takes one update; false when the line has ended.
    fn take(&mut self) -> bool {
        let update = self.clock.block_on(async { tokio::time::timeout(PATIENCE, self.link.updates.recv()).await });
        match update.expect("neither an update nor the end came") {
            Some(Update::Snapshot(state)) => {
                self.snapshots += 1;
                assert!(state.seq >= self.state.seq, "a snapshot never goes back");
                self.state = *state;
            }
            Some(Update::Event(event)) => {
                self.events += 1;
                assert_eq!(event.seq.0, self.state.seq.0 + 1, "each event once, none left out");
                self.state.apply(&event);
            }
            Some(Update::Reply(id, result)) => self.replies.push((id.0, result.is_ok())),
            Some(Update::Line(news)) => self.news.push(news),
            Some(Update::Playing(_) | Update::Retold(_)) => panic!("that is of recordings"),
            None => return false,
        }
        true
    }

    fn until(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !wanted(self) {
            assert!(began.elapsed() < PATIENCE, "{what} did not come: {} events, {} replies", self.events, self.replies.len());
            assert!(self.take(), "the line ended before {what}");
        }
    }
}

/// Holds and releases the queue, as many times in all.
fn toggle(link: &Link, times: u64) {
    for number in 1..=times {
        let command = if number % 2 == 1 { Command::Pause } else { Command::Resume };
        assert!(link.requests.send(RequestId(number), command));
    }
}

/// As JSON, which is how it went over the line.
fn json_of(state: &State) -> Value {
    serde_json::to_value(State { logs: std::collections::BTreeMap::new(), ..state.clone() }).expect("JSON")
}

#[test]
fn whoever_comes_while_the_queue_is_read_is_shown_all_of_it() {
    let (served, inputs) = Served::reading(None);
    let mut console = Knows::new(served.console().link);
    let nothing = console.clock.block_on(async { tokio::time::timeout(MOMENT, console.link.updates.recv()).await });
    assert!(nothing.is_err(), "{nothing:?}");
    let page = Page {
        jobs: vec![modelled::stored(1, "sound"), modelled::stored(2, "sound")],
        backlog: Backlog { jobs: 3, bytes: Bytes::mib(3) },
        ..Page::default()
    };
    inputs.send(Input::Paged(page)).expect("the engine listens");
    assert!(console.take());
    assert_eq!((console.snapshots, console.state.waiting()), (1, 5));
    served.end();

    // Where it cannot be read, whoever comes is shown that.
    let (served, inputs) = Served::reading(None);
    let fault = Input::Fault { what: "the record".to_owned(), detail: "no space left on device".to_owned() };
    inputs.send(fault).expect("the engine listens");
    let mut console = Knows::new(served.console().link);
    assert!(console.take() && console.snapshots == 1);
    served.end();
}

#[test]
fn a_console_over_the_socket_knows_what_one_within_the_process_knows() {
    let served = Served::start();
    let (mut here, mut there) = (Knows::new(served.attacher.attach()), Knows::new(served.console().link));
    there.until("the snapshot", |knows| knows.snapshots == 1);
    toggle(&there.link, 500);
    there.until("the answers", |knows| knows.replies.len() == 500);
    assert!(
        there.replies.iter().map(|(number, is_ok)| (*number, *is_ok)).eq((1..=500).map(|number| (number, true))),
        "in their order"
    );
    here.until("the same event", |knows| knows.state.seq >= there.state.seq);
    there.until("the same event", |knows| knows.state.seq >= here.state.seq);
    assert_eq!(json_of(&here.state), json_of(&there.state));
    served.end();
    while there.take() {}
    assert!(there.state.summary.is_some(), "it is told how the run ended");
    assert!(!there.news.iter().any(|news| matches!(news, LineNews::Lost { .. })), "an end is no cut");
}

/// Stands between a console and its server, and cuts lines at places that it chooses.
struct Saboteur {
    folder: TempDir,
    cuts: Arc<AtomicU64>,
    stops: Arc<AtomicBool>,
}

impl Saboteur {
    fn new(server: PathBuf, cuts_wanted: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join(CONTROL)).expect("listens");
        let (cuts, stops) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counts, stopped) = (Arc::clone(&cuts), Arc::clone(&stops));
        std::thread::spawn(move || {
            let mut random = 0x9e37_79b9_7f4a_7c15_u64;
            for near in listener.incoming() {
                let (Ok(near), Ok(far)) = (near, UnixStream::connect(server.join(CONTROL))) else { return };
                // An xorshift generator: places all over a hello, a snapshot and events.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let cuts = counts.load(Ordering::SeqCst) < cuts_wanted && !stopped.load(Ordering::SeqCst);
                let (up, down) = if cuts { (random % 3000, (random >> 20) % 40_000) } else { (u64::MAX, u64::MAX) };
                let ends = [(near.try_clone(), far.try_clone(), up), (far.try_clone(), near.try_clone(), down)];
                let both = Arc::new((near, far));
                for (from, to, at_most) in ends {
                    let (mut from, mut to, both, counts) =
                        (from.expect("a copy"), to.expect("a copy"), Arc::clone(&both), Arc::clone(&counts));
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut (&mut from).take(at_most), &mut to);
                        let was_open = both.0.shutdown(std::net::Shutdown::Both).is_ok();
                        let _ = both.1.shutdown(std::net::Shutdown::Both);
                        counts.fetch_add(u64::from(was_open), Ordering::SeqCst);
                    });
                }
            }
        });
        Self { folder, cuts, stops }
    }
}

#[test]
fn a_line_that_is_cut_at_any_byte_comes_back_and_nothing_is_done_or_told_twice() {
    let served = Served::start();
    let saboteur = Saboteur::new(served.path().to_owned(), 200);
    // The first hello may be cut too; a person would call again.
    let opened = loop {
        if let Ok(opened) = open(saboteur.folder.path(), Caller { console: true, follow: true, view: false }) {
            break opened;
        }
    };
    let mut there = Knows::new(opened.link);
    there.until("a snapshot", |knows| knows.snapshots > 0);
    let mut number = 0;
    let (mut cuts, mut last_cut) = (0, Instant::now());
    // Each is asked once its forerunner is answered: a refusal says that the line was cut, and that it was not asked.
    while cuts < 200 {
        assert!(last_cut.elapsed() < PATIENCE, "{cuts} cuts after {number} requests");
        number += 1;
        let command = if there.state.paused { Command::Resume } else { Command::Pause };
        assert!(there.link.requests.send(RequestId(number), command));
        there.until("an answer", |knows| knows.replies.last().is_some_and(|(last, _)| *last == number));
        let now = saboteur.cuts.load(Ordering::SeqCst);
        if now > cuts {
            (cuts, last_cut) = (now, Instant::now());
        }
    }
    saboteur.stops.store(true, Ordering::SeqCst);
    // Nothing else has toggled it: had a request been done twice, its second time would have been refused, and the state be
    // another one than the console believes.
    let mut here = Knows::new(served.attacher.attach());
    here.until("the snapshot", |knows| knows.snapshots == 1);
    there.until("the last event", |knows| knows.state.seq >= here.state.seq);
    assert_eq!(json_of(&here.state), json_of(&there.state));
    let answers: Vec<u64> = there.replies.iter().map(|(number, _)| *number).collect();
    assert_eq!(answers, (1..=number).collect::<Vec<_>>(), "each request is answered once");
    served.end();
}

#[test]
fn a_request_that_is_sent_again_in_its_session_is_done_once() {
    let served = Served::start();
    let hello = json!({"hello": {"protocol": SPOKEN, "session": "s", "follow": false}}).to_string();
    let ask = json!({"request": {"number": 7, "command": "pause"}}).to_string();
    for _ in 0..3 {
        let mut raw = Raw::connect(&served, CONTROL);
        raw.say(&hello);
        raw.say(&ask);
        let reply = raw.until("reply");
        assert_eq!(reply["reply"]["number"], 7);
        assert!(reply["reply"]["result"].get("Ok").is_some(), "a second time it would have been refused: {reply}");
    }
    let mut here = Knows::new(served.attacher.attach());
    here.until("the snapshot", |knows| knows.snapshots == 1);
    assert!(here.state.paused);
    served.end();
}

/// What a false server heard on one of its lines: the session, and what was asked there, if anything was.
type Heard = (Value, Option<String>);

/// A server that greets, tells of an empty queue, and answers the first request on each of its lines with the text for that line.
/// A line is closed by whoever calls.
fn false_server(folder: &Path, answer: impl Fn(usize) -> String + Send + 'static) -> std::sync::mpsc::Receiver<Heard> {
    let listener = UnixListener::bind(folder.join(CONTROL)).expect("listens");
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let greeting: Vec<String> =
            recorded().into_iter().filter(|(client, _)| !client).take(2).map(|(_, line)| line.to_string()).collect();
        for (life, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("connected");
            let mut lines = BufReader::new(stream.try_clone().expect("a copy")).lines().map(|line| line.expect("a line"));
            let hello: Value = serde_json::from_str(&lines.next().expect("a hello")).expect("JSON");
            writeln!(stream, "{}\n{}", greeting[0], greeting[1]).expect("greeted");
            let state = serde_json::to_value(State::default()).expect("JSON");
            writeln!(stream, "{}\n{}", json!({ "head": state }), json!({ "end": 0 })).expect("told");
            let asked = lines.next();
            let is_asked = asked.is_some();
            // Whoever has heard enough has gone.
            let _ = told.send((hello["hello"]["session"].clone(), asked));
            if is_asked {
                writeln!(stream, "{}", answer(life)).expect("told");
                for _ in lines {}
            }
        }
    });
    heard
}

#[test]
fn after_an_unreadable_line_what_was_asked_is_asked_again_of_the_same_server_under_its_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let answer = json!({"reply": {"number": 7, "result": {"Ok": {}}}}).to_string();
    let heard = false_server(folder.path(), move |life| if life == 0 { "}{".to_owned() } else { answer.clone() });
    let mut there = Knows::new(open(folder.path(), Caller { console: true, follow: true, view: false }).expect("connected").link);
    there.until("a snapshot", |knows| knows.snapshots == 1);
    assert!(there.link.requests.send(RequestId(7), Command::Pause));
    there.until("the answer", |knows| !knows.replies.is_empty());
    assert_eq!(there.replies, [(7, true)], "it is the same server, which knows what it has done");
    assert_eq!(there.snapshots, 2, "what was told before is not trusted");
    let asked: Vec<Heard> = heard.try_iter().collect();
    assert!(asked.len() == 2 && asked[0] == asked[1], "{asked:?}");
}

#[test]
fn a_server_that_answers_in_another_form_is_not_asked_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let answer = json!({"reply": {"number": 7, "result": "of another make"}}).to_string();
    let heard = false_server(folder.path(), move |_| answer.clone());
    let mut there = Knows::new(open(folder.path(), Caller { console: true, follow: true, view: false }).expect("connected").link);
    there.until("a snapshot", |knows| knows.snapshots == 1);
    assert!(there.link.requests.send(RequestId(7), Command::Pause));
    there.until("a third snapshot", |knows| knows.snapshots == 3);
    assert_eq!(there.replies, [(7, false)], "whoever asked is told");
    let is_told = |news: &LineNews| matches!(news, LineNews::Lost { why, again_in, gone: false } if why.contains("does not understand") && *again_in > Duration::ZERO);
    assert!(there.news.iter().any(is_told), "there is time between two tries: {:?}", there.news);
    drop(there);
    let [first, second, third] = [(); 3].map(|()| heard.recv_timeout(PATIENCE).expect("it called"));
    assert!(first == second && first.1.is_some(), "the first time it may have been an accident: {first:?} {second:?}");
    assert!(third.0 != first.0 && third.1.is_none(), "kept answers are told again to a known session: {third:?}");
}

#[test]
fn a_request_of_another_make_is_refused_and_the_line_goes_on() {
    let served = Served::start();
    let mut raw = Raw::connect(&served, CONTROL);
    raw.say(&json!({"hello": {"protocol": SPOKEN, "session": "s", "follow": false}}).to_string());
    raw.say(&json!({"request": {"number": 1, "command": {"of_tomorrow": {"job": 1}}}}).to_string());
    let refused = raw.until("reply");
    let why = refused["reply"]["result"]["Err"]["why"].as_str().unwrap_or_default();
    assert!(refused["reply"]["number"] == 1 && why.contains("does not understand"), "{refused}");
    raw.say(&json!({"request": {"number": 1, "command": {"cancel": "not a number"}}}).to_string());
    assert!(raw.until("reply")["reply"]["result"].get("Err").is_some());
    raw.say(&json!({"look": {"number": 2, "look": {"of_tomorrow": {}}}}).to_string());
    let unanswered = raw.until("answered");
    let why = unanswered["answered"]["error"].as_str().unwrap_or_default();
    assert!(unanswered["answered"]["number"] == 2 && why.contains("does not understand"), "{unanswered}");
    raw.say(&json!({"request": {"number": 3, "command": "pause"}}).to_string());
    assert!(raw.until("reply")["reply"]["result"].get("Ok").is_some(), "what is understood is done");
    served.end();
}

#[test]
fn a_console_that_comes_back_comes_in_the_session_that_it_began_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = UnixListener::bind(folder.path().join(CONTROL)).expect("listens");
    let (told, sessions) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let greeting: Vec<String> =
            recorded().into_iter().filter(|(client, _)| !client).take(2).map(|(_, line)| line.to_string()).collect();
        for stream in listener.incoming() {
            let mut stream = stream.expect("connected");
            let mut hello = String::new();
            BufReader::new(stream.try_clone().expect("a copy")).read_line(&mut hello).expect("a hello");
            let hello: Value = serde_json::from_str(&hello).expect("JSON");
            writeln!(stream, "{}\n{}", greeting[0], greeting[1]).expect("greeted");
            // And the line is cut.
            if told.send(hello["hello"]["session"].clone()).is_err() {
                return;
            }
        }
    });
    let _console = open(folder.path(), Caller { console: true, follow: true, view: false }).expect("connected");
    let [first, second] = [(); 2].map(|()| sessions.recv_timeout(PATIENCE).expect("it calls"));
    assert_eq!(first, second, "what it asked before would be done again");
}

#[test]
fn a_console_that_comes_back_is_told_whether_the_same_server_answers() {
    for anew in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join(CONTROL)).expect("listens");
        std::thread::spawn(move || {
            let mut greeting: Vec<Value> =
                recorded().into_iter().filter(|(client, _)| !client).take(2).map(|(_, line)| line).collect();
            let mut kept = Vec::new();
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.expect("connected");
                BufReader::new(stream.try_clone().expect("a copy")).read_line(&mut String::new()).expect("a hello");
                if anew {
                    greeting[0]["hello"]["life"] = json!(format!("life {number}"));
                }
                writeln!(stream, "{}\n{}", greeting[0], greeting[1]).expect("greeted");
                // The first line is cut, the second stays.
                kept.extend((number > 0).then_some(stream));
            }
        });
        let mut there =
            Knows::new(open(folder.path(), Caller { console: true, follow: true, view: false }).expect("connected").link);
        there.until("the line", |knows| knows.news.iter().any(|news| matches!(news, LineNews::Back { .. })));
        assert!(there.news.contains(&LineNews::Back { anew }), "{anew}: {:?}", there.news);
    }
}

/// A client that speaks for itself.
struct Raw {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Raw {
    fn connect(served: &Served, name: &str) -> Self {
        let stream = UnixStream::connect(served.path().join(name)).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        Self { lines: BufReader::new(stream.try_clone().expect("a copy")), stream }
    }

    fn say(&mut self, line: &str) {
        // A server that has had enough closes; what it said before tells why.
        let _ = self.stream.write_all(line.as_bytes()).and_then(|()| self.stream.write_all(b"\n"));
    }

    /// The next line; `None` when the server has closed.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("the server says nothing and does not close: {error}"),
            Ok(_) => Some(serde_json::from_str(&line).expect("every line of the server is JSON")),
        }
    }

    /// The next line of this name.
    fn until(&mut self, name: &str) -> Value {
        loop {
            let line = self.next().unwrap_or_else(|| panic!("closed before {name}"));
            if line.get(name).is_some() || line == name {
                return line;
            }
        }
    }
}

#[test]
fn the_memory_of_a_console_counts_once_and_that_of_whoever_may_only_look_does_not() {
    let served = Served::start();
    let counted = || served.consoles.recv_timeout(PATIENCE).expect("told");
    let hello = json!({"hello": {"protocol": {"min": 1, "max": 1}, "session": "x", "console": true}}).to_string();
    let mut looks = Raw::connect(&served, VIEW);
    looks.say(&hello);
    assert_eq!(counted(), [0_u32; 0], "it could keep jobs out by what it holds");
    let [_first, _second] = [(); 2].map(|()| {
        let mut console = Raw::connect(&served, CONTROL);
        console.say(&hello);
        assert_eq!(counted(), [std::process::id()]);
        console
    });
    served.end();
}

#[test]
fn what_is_longer_than_a_server_reads_is_answered_and_the_line_goes_on() {
    let served = Served::start();
    let mut console = Knows::new(served.console().link);
    let paths = (0..40_000).map(|number| format!("/videos/a-name-of-some-length-{number}.mp4").into()).collect();
    assert!(console.link.requests.send(RequestId(1), Command::enqueue(paths, None)));
    assert!(console.link.requests.send(RequestId(2), Command::Pause));
    console.until("both answers", |console| console.replies.len() == 2);
    assert_eq!(console.replies, [(1, false), (2, true)]);
    assert!(!console.news.iter().any(|news| matches!(news, LineNews::Lost { .. })), "on the same line: {:?}", console.news);
    served.end();
}

#[test]
fn nonsense_ends_the_conversation_of_the_one_who_talks_it_and_of_nobody_else() {
    let served = Served::start();
    let mut other = Knows::new(served.console().link);
    other.until("the snapshot", |knows| knows.snapshots == 1);
    let hello = json!({"hello": {"protocol": SPOKEN, "session": "s", "follow": true}}).to_string();
    let endless = "x".repeat(2 * 1024 * 1024);
    for (first, second) in [
        ("no hello at all", ""),
        (r#"{"request":{"number":1,"command":"pause"}}"#, ""),
        (endless.as_str(), ""),
        (hello.as_str(), "no JSON"),
        (hello.as_str(), r#"{"request":{"command":"pause"}}"#),
        (hello.as_str(), endless.as_str()),
        (hello.as_str(), hello.as_str()),
    ] {
        let mut raw = Raw::connect(&served, CONTROL);
        raw.say(first);
        if !second.is_empty() {
            raw.until("end");
            raw.say(second);
        }
        while raw.next().is_some() {}
    }
    // What is only unknown is skipped.
    let mut raw = Raw::connect(&served, CONTROL);
    raw.say(&hello);
    raw.until("end");
    raw.say(r#"{"invented_later":{"with":"fields"}}"#);
    raw.say(r#"{"request":{"number":3,"command":"pause"}}"#);
    assert_eq!(raw.until("reply")["reply"]["number"], 3);
    other.until("what the last one did", |knows| knows.state.paused);
    served.end();
}

#[test]
fn versions_that_do_not_fit_are_told_apart_and_whose_is_older() {
    let served = Served::start();
    for (versions, words) in [
        (Versions { min: 90, max: 99 }, "the server is plimsoll test, older"),
        (Versions { min: 0, max: 0 }, "older than the server's"),
    ] {
        let mut raw = Raw::connect(&served, CONTROL);
        raw.say(&json!({"hello": {"protocol": versions, "version": "x", "session": "s"}}).to_string());
        let refused = raw.until("refused");
        assert_eq!(refused["refused"]["kind"], "versions");
        assert!(refused["refused"]["why"].as_str().is_some_and(|why| why.contains(words)), "{refused}");
    }
    // A newer client that still knows our version is understood, with all that it says besides.
    let mut raw = Raw::connect(&served, CONTROL);
    raw.say(&json!({"hello": {"protocol": {"min": 1, "max": 9}, "session": "s", "follow": true, "invented": 1}}).to_string());
    raw.until("end");
    served.end();
}

#[test]
fn through_the_window_to_look_through_nothing_can_be_asked() {
    let served = Served::start();
    let hello = |view: bool| json!({"hello": {"protocol": SPOKEN, "session": "s", "follow": true, "view": view}}).to_string();
    for (name, view) in [(VIEW, false), (CONTROL, true)] {
        let mut raw = Raw::connect(&served, name);
        raw.say(&hello(view));
        raw.until("end");
        raw.say(r#"{"request":{"number":1,"command":"pause"}}"#);
        let reply = raw.until("reply");
        assert!(reply["reply"]["result"]["Err"]["why"].as_str().is_some_and(|why| why.contains("look through")), "{reply}");
        raw.say(r#"{"look":{"number":2,"look":"checkup"}}"#);
        assert!(raw.until("answered")["answered"]["error"].is_string());
    }
    let mut here = Knows::new(served.attacher.attach());
    here.until("the snapshot", |knows| knows.snapshots == 1);
    assert!(!here.state.paused, "nothing was done");
    served.end();
}

#[test]
fn one_more_than_can_be_connected_is_told_so() {
    let served = Served::start();
    let hello = json!({"hello": {"protocol": SPOKEN, "session": "s"}}).to_string();
    let connected: Vec<Raw> = (0..32)
        .map(|_| {
            let mut raw = Raw::connect(&served, CONTROL);
            raw.say(&hello);
            raw.until("facts");
            raw
        })
        .collect();
    let mut last = Raw::connect(&served, CONTROL);
    assert_eq!(last.until("refused")["refused"]["kind"], "busy");
    drop(connected);
    served.end();
}

#[test]
fn consoles_that_do_not_read_keep_nothing_from_those_that_do() {
    const EVENTS: u64 = 100_000;
    let served = Served::start();
    let hello = json!({"hello": {"protocol": SPOKEN, "session": "s", "follow": true, "console": true}}).to_string();
    let asleep: Vec<Raw> = (0..2)
        .map(|_| {
            let mut raw = Raw::connect(&served, CONTROL);
            raw.say(&hello);
            raw
        })
        .collect();
    let mut awake: Vec<Knows> = (0..6).map(|_| Knows::new(served.console().link)).collect();
    for knows in &mut awake {
        knows.until("the snapshot", |knows| knows.snapshots == 1);
    }
    let mut driver = served.attacher.attach();
    let readers: Vec<_> = awake
        .into_iter()
        .map(|mut knows| {
            std::thread::spawn(move || {
                while knows.events < EVENTS && knows.snapshots == 1 {
                    assert!(knows.take());
                }
                knows
            })
        })
        .collect();
    // Not faster than those who read can read: what piles up within the process is not what is measured.
    for hundred in 0..EVENTS / 100 {
        for number in 1..=100 {
            let command = if number % 2 == 1 { Command::Pause } else { Command::Resume };
            driver.requests.send(RequestId(hundred * 100 + number), command);
        }
        let mut answered = 0;
        while answered < 100 {
            let update = driver.updates.blocking_recv().expect("the engine is there");
            answered += u32::from(matches!(update, Update::Reply(..)));
        }
    }
    for reader in readers {
        let knows = reader.join().expect("it reads");
        assert!(knows.events >= EVENTS || knows.snapshots > 1, "it has all, or was given a new snapshot");
    }
    // What is kept for the two that sleep is bounded by the ring, whose own tests hold it to that.
    drop(asleep);
    served.end();
}

#[test]
fn a_server_that_nobody_needs_any_more_ends_and_one_that_is_needed_does_not() {
    let (served, console) = Served::with_a_console();
    assert!(served.ended.recv_timeout(Duration::from_secs(2)).is_err(), "somebody is attached");
    drop(console);
    served.ended.recv_timeout(PATIENCE).expect("nobody is attached, and nothing is left to do");
    assert!(matches!(open(served.path(), Caller::default()), Err(OpenError::NoServer(_))));
}

#[test]
fn a_server_does_not_end_while_files_of_a_watched_folder_wait_to_be_complete() {
    let (served, inputs) = Served::reading(Some(Duration::from_millis(300)));
    let watched = |waiting| {
        Input::Watched(Watched {
            watch: 1,
            folder: "/in".into(),
            out: "/out".into(),
            preset: "sound".to_owned(),
            state: WatchState::Watching,
            every_seconds: None,
            delete_input: DeleteInput::Never,
            why: None,
            waiting,
            first: Vec::new(),
            taken: 0,
            overflows: 0,
        })
    };
    inputs.send(watched(1)).expect("the engine listens");
    inputs.send(Input::Paged(Page::default())).expect("the engine listens");
    assert!(served.ended.recv_timeout(Duration::from_secs(2)).is_err(), "a film is still being copied there");
    inputs.send(watched(0)).expect("the engine listens");
    served.ended.recv_timeout(PATIENCE).expect("nothing waits there any more");
}

#[test]
fn a_server_that_looks_through_a_folder_for_somebody_who_has_gone_does_not_end() {
    let (served, mut console) = Served::with_a_console();
    // The host of these tests never comes to the end of a folder.
    assert!(console.link.requests.send(RequestId(1), Command::enqueue(vec!["/films".into()], None)));
    assert!(console.link.requests.send(RequestId(2), Command::Pause));
    console.until("the second is done", |knows| knows.replies == [(2, true)]);
    drop(console);
    assert!(served.ended.recv_timeout(Duration::from_secs(2)).is_err(), "what is found would be lost");
}

#[test]
fn those_who_only_look_leave_room_for_the_owner_even_if_they_say_nothing() {
    let served = Served::start();
    let silent: Vec<Raw> = (0..16).map(|_| Raw::connect(&served, VIEW)).collect();
    let refused = Raw::connect(&served, VIEW).until("refused");
    assert_eq!(refused["refused"]["kind"], "busy", "{refused}");
    let mut own = Raw::connect(&served, CONTROL);
    own.say(&json!({"hello": {"protocol": SPOKEN, "session": "s", "follow": false}}).to_string());
    own.until("facts");
    drop(silent);
    served.end();
}

#[test]
fn those_who_only_look_get_long_answers_in_turns() {
    const VIEWERS: u64 = 6;
    let begun = Arc::new(Mutex::new(Vec::new()));
    let (told, looked) = std::sync::mpsc::channel();
    let asked = Arc::clone(&begun);
    let lookup = Lookup {
        // More than is kept on the way to who does not read.
        log: Some(Arc::new(move |job, _| {
            asked.lock().expect("jobs").push(job.0);
            let line = LogLine { at: Wall(0), level: LogLevel::Info, text: "x".repeat(8 << 20) };
            Ok(WholeLog { lines: vec![line], left_out: Bytes::ZERO })
        })),
        rows: Some(Arc::new(move |_: &RowsWanted| {
            told.send(()).expect("somebody counts");
            Err("none".to_owned())
        })),
        ..Lookup::default()
    };
    let (served, inputs) = Served::knowing(None, lookup);
    inputs.send(Input::Paged(Page::default())).expect("the engine listens");
    let rows = json!({"look": {"number": 3, "look": {"rows": RowsWanted::default()}}}).to_string();
    let viewers: Vec<Raw> = (0..VIEWERS)
        .map(|viewer| {
            let mut raw = Raw::connect(&served, VIEW);
            raw.say(&json!({"hello": {"protocol": SPOKEN, "session": "s"}}).to_string());
            raw.until("facts");
            for number in 1..=2 {
                let job = viewer * 10 + number;
                raw.say(&json!({"look": {"number": number, "look": {"log": {"job": job, "attempt": 1}}}}).to_string());
            }
            raw.say(&rows);
            raw
        })
        .collect();
    for _ in 0..VIEWERS {
        looked.recv_timeout(PATIENCE).expect("a short answer waits for no long one");
    }
    let early = begun.lock().expect("jobs").clone();
    assert!(early.len() <= 4, "of twelve that nobody takes: {early:?}");
    assert!(early.iter().all(|job| job % 10 == 1), "one at a time for each: {early:?}");
    let read = |mut raw: Raw| {
        let mut answered: Vec<u64> = Vec::new();
        while answered.len() < 3 {
            answered.push(raw.until("answered")["answered"]["number"].as_u64().expect("a number"));
        }
        answered.sort_unstable();
        answered
    };
    let readers: Vec<_> = viewers.into_iter().map(|raw| std::thread::spawn(move || read(raw))).collect();
    for reader in readers {
        assert_eq!(reader.join().expect("read"), [1, 2, 3], "each has all its answers in the end");
    }
    assert_eq!(begun.lock().expect("jobs").len(), 12);
    served.end();
}

#[test]
fn consoles_hear_of_each_other_and_of_what_the_others_do() {
    let served = Served::start();
    let mut first = Knows::new(served.console().link);
    first.until("its own name", |knows| knows.news.iter().any(|news| matches!(news, LineNews::Attached(all) if all.len() == 1)));
    let second = Knows::new(served.console().link);
    first.until("the other's name", |knows| {
        knows
            .news
            .iter()
            .any(|news| matches!(news, LineNews::Attached(all) if all.len() == 2 && all.iter().filter(|one| one.own).count() == 1))
    });
    second.link.requests.send(RequestId(1), Command::Pause);
    first.until("what it did", |knows| {
        knows.news.iter().any(|news| matches!(news, LineNews::Did { what, .. } if what == "held the queue"))
    });
    drop(second);
    first.until("that it has gone", |knows| {
        matches!(knows.news.iter().rev().find(|news| matches!(news, LineNews::Attached(_))), Some(LineNews::Attached(all)) if all.len() == 1)
    });
    assert!(!first.news.iter().any(|news| matches!(news, LineNews::Lost { .. })));
    served.end();
}

/// A recorded conversation: who says what.
fn recorded() -> Vec<(bool, Value)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire/v1-console.jsonl");
    let text = std::fs::read_to_string(file).expect("recorded");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.map(|line| (line["from"] == "client", line["line"].clone())).collect()
}

#[test]
fn a_recorded_conversation_is_read_by_both_ends_and_written_again_as_it_was() {
    let mut names = std::collections::BTreeSet::new();
    for (from_client, line) in recorded() {
        let text = line.to_string();
        let again = if from_client {
            match message::read::<ClientLine>(&text, CLIENT_NAMES) {
                Read::Line(read) => serde_json::to_value(read),
                other => panic!("{other:?}: {text}"),
            }
        } else {
            match message::read::<ServerLine>(&text, SERVER_NAMES) {
                Read::Line(read) => serde_json::to_value(read),
                other => panic!("{other:?}: {text}"),
            }
        };
        // Fields may be added; those that were recorded are written as they were.
        assert!(holds(&again.expect("JSON"), &line), "{text}");
        let name = line
            .as_str()
            .map_or_else(|| line.as_object().and_then(|named| named.keys().next().cloned()), |name| Some(name.to_owned()));
        names.insert(name.expect("a name"));
    }
    assert!(names.len() >= 12, "the recording says much: {names:?}");
}

/// Everything of the second is in the first.
fn holds(all: &Value, part: &Value) -> bool {
    match (all, part) {
        (Value::Object(all), Value::Object(part)) => {
            part.iter().all(|(key, value)| all.get(key).is_some_and(|known| holds(known, value)))
        }
        (Value::Array(all), Value::Array(part)) => {
            all.len() == part.len() && all.iter().zip(part).all(|(all, part)| holds(all, part))
        }
        (Value::Number(all), Value::Number(part)) => (all.as_f64().unwrap_or(0.0) - part.as_f64().unwrap_or(1.0)).abs() < 1e-6,
        (all, part) => all == part,
    }
}

#[test]
fn a_client_of_today_understands_a_recorded_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = UnixListener::bind(folder.path().join(CONTROL)).expect("listens");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("connected");
        for (from_client, line) in recorded() {
            // It says all that it said then, at once.
            if !from_client && writeln!(stream, "{line}").is_err() {
                return;
            }
        }
        // Until the client has read it.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let mut knows = Knows::new(open(folder.path(), Caller { console: true, follow: true, view: false }).expect("connected").link);
    while knows.take() {}
    let events = recorded().iter().filter(|(_, line)| line.get("event").is_some()).count() as u64;
    assert_eq!((knows.snapshots, knows.events), (1, events));
    assert!(knows.state.summary.is_some() && knows.state.jobs.len() == 2, "{:?}", knows.state.summary);
    assert!(knows.replies.is_empty(), "this client has asked nothing");
}

#[test]
fn a_server_of_today_understands_a_recorded_client() {
    let served = Served::start();
    let mut raw = Raw::connect(&served, CONTROL);
    for (_, line) in recorded().into_iter().filter(|(from_client, _)| *from_client) {
        let (asked, looked) = (line["request"]["number"].as_u64(), line["look"]["number"].as_u64());
        // Nothing is scanned here, and the end is the test's own.
        if line["request"]["command"].get("enqueue").is_some() || line["request"]["command"] == "shutdown" {
            continue;
        }
        raw.say(&line.to_string());
        if asked.is_some() {
            // One that was asked beside a snapshot may be answered with it too.
            while raw.until("reply")["reply"]["number"].as_u64() != asked {}
        }
        if looked.is_some() {
            assert_eq!(raw.until("answered")["answered"]["number"].as_u64(), looked, "{line}");
        }
    }
    served.end();
}

proptest! {
    #[test]
    fn a_line_that_was_damaged_is_skipped_or_refused_and_nothing_worse(
        which in 0_usize..88, cut in 0_usize..4000, put in "\\PC{0,6}", take in 0_usize..20,
    ) {
        let lines = recorded();
        let (from_client, line) = &lines[which % lines.len()];
        let mut text: Vec<char> = line.to_string().chars().collect();
        let at = cut % (text.len() + 1);
        let end = (at + take).min(text.len());
        text.splice(at..end, put.chars());
        let text: String = text.into_iter().collect();
        // It comes back: what it makes of the line is its own affair.
        if *from_client {
            let _ = message::read::<ClientLine>(&text, CLIENT_NAMES);
        } else {
            let _ = message::read::<ServerLine>(&text, SERVER_NAMES);
        }
    }
}
