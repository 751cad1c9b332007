//! The console in a real pseudo-terminal: this test program runs itself there as the console.

use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::sync::mpsc;

use crate::domain::command::{Answer, ClientId, Command};
use crate::domain::event::{Event, EventKind, Seq};
use crate::domain::job::LogLevel;
use crate::domain::state::State;
use crate::runtime::link::{Control, Link, Outbox, Update};
use crate::tui::input::action::Act;
use crate::tui::input::keymap::{KeyMode, TABLE};
use crate::tui::tests::fixture::{busy, profiles, run_finished};
use crate::tui::{Closed, ColorMode, TuiExit, TuiOptions, run};

const ROWS: NonZero<u16> = NonZero::new(36).expect("not zero");
const COLUMNS: NonZero<u16> = NonZero::new(120).expect("not zero");
const CHILD: &str = "PLIMSOLL_TEST_CONSOLE";
const PANIC: &str = "PLIMSOLL_TEST_PANIC";
const PACE: &str = "PLIMSOLL_TEST_PACE";
/// The made-up engine says what it was asked.
const ECHO: &str = "PLIMSOLL_TEST_ECHO";
/// Log lines that would take over a terminal.
const HOSTILE: &str = "PLIMSOLL_TEST_HOSTILE";

/// Not a test by itself: the console with a made-up engine, when the variable asks for it.
#[test]
fn console_for_the_tests_of_this_module() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    if std::env::var_os("PLIMSOLL_TEST_GONE").is_some() {
        // SAFETY: a plain system call. The kernel's SIGHUP must not end what the console is to notice by itself.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    }
    let (control, mut asked) = mpsc::unbounded_channel();
    let mut link = Link::attach(ClientId(1), control);
    let Ok(Control::Attach(_, tell)) = asked.try_recv() else { panic!("the link attaches itself") };
    let mut state = State::default();
    for event in busy(true).events {
        state.apply(&event);
    }
    if std::env::var_os(HOSTILE).is_some() {
        let mut story = busy(true);
        story.log(Some(17), LogLevel::Error, "\x1b[2J\x1b[31mred\x1b]52;c;aGk=\x07\x1b]0;owned\x07\u{9b}31m\r\n\t it ends here");
        state.apply(&story.events[story.events.len() - 1]);
    }
    let mut seq = state.seq.0;
    let (wall, mono) = (state.wall, state.now);
    let _ = tell.send(Update::Snapshot(Box::new(state)));
    let pace = tell.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (plant, planted) = tokio::sync::oneshot::channel();
    let mut plant = std::env::var_os(PANIC).map(|_| plant);
    let exit = runtime.block_on(async {
        tokio::spawn(async move {
            while let Some(Control::Request(_, id, command)) = asked.recv().await {
                let _ = tell.send(Update::Reply(id, Ok(Answer::default())));
                if std::env::var_os(ECHO).is_some() {
                    seq += 1;
                    let kind = EventKind::Fault { what: "heard".to_owned(), detail: format!("{command:?}") };
                    let _ = tell.send(Update::Event(Box::new(Event { seq: Seq(seq), at: wall, mono, kind })));
                }
                if let (Command::CleanNow, Some(plant)) = (&command, plant.take()) {
                    let _ = plant.send(());
                }
                if command == Command::Shutdown {
                    seq += 1;
                    let event = Event { seq: Seq(seq), at: wall, mono, kind: run_finished() };
                    let _ = tell.send(Update::Event(Box::new(event)));
                }
            }
        });
        let options = TuiOptions { color: ColorMode::True, profiles: profiles(), ..TuiOptions::default() };
        tokio::select! {
            exit = run(&mut link, options) => exit,
            () = at_work(pace, seq), if std::env::var_os(PACE).is_some() => unreachable!("it goes on for ever"),
            Ok(()) = planted => panic!("a planted panic"),
        }
    });
    if let (Ok(Closed { exit: TuiExit::TerminalGone, .. }), Some(file)) = (&exit, std::env::var_os("PLIMSOLL_TEST_GONE")) {
        std::fs::write(file, "gone").expect("writes");
        std::process::exit(0);
    }
    println!("the console ended: {:?}", exit.map(|closed| closed.exit));
}

/// Two jobs that report four times a second, memory that is measured once a second.
async fn at_work(tell: Outbox, first: u64) {
    let mut story = busy(true);
    let began = story.events.len();
    for quarter in 0_u64.. {
        story.at(420_000 + quarter * 250);
        for (job, speed) in [(17, 1.8), (18, 0.9)] {
            story.progress(
                job,
                0.2 + quarter as f64 / 4000.0,
                speed + (quarter % 5) as f64 / 10.0,
                900 - quarter / 4,
                500 + quarter % 50,
            );
        }
        if quarter % 4 == 0 {
            let (a, b) = (500 + quarter * 7 % 90, 400 + quarter * 11 % 70);
            story.sample(210 + a + b, &[(17, a), (18, b)]);
        }
        for (at, mut event) in story.events.split_off(began).into_iter().enumerate() {
            event.seq = Seq(first + quarter * 3 + at as u64);
            let _ = tell.send(Update::Event(Box::new(event)));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

struct Console {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn std::io::Write + Send>,
    screen: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
    hung_up: Arc<AtomicBool>,
    watcher: std::thread::JoinHandle<()>,
}

impl Console {
    fn start(gone: Option<&std::path::Path>) -> Self {
        Self::start_with(gone, &[])
    }

    fn start_with(gone: Option<&std::path::Path>, variables: &[&str]) -> Self {
        let size = PtySize { rows: 36, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
        command.args([
            "--exact",
            "tui::tests::on_a_terminal::console_for_the_tests_of_this_module",
            "--nocapture",
            "--test-threads=1",
        ]);
        command.env(CHILD, "1");
        command.env("TZ", "UTC");
        command.env("RUST_BACKTRACE", "0");
        for variable in variables {
            command.env(variable, "1");
        }
        if let Some(gone) = gone {
            command.env("PLIMSOLL_TEST_GONE", gone);
        }
        let child = pty.slave.spawn_command(command).expect("starts");
        drop(pty.slave);
        let screen = Arc::new(Mutex::new((vt100::Parser::new(ROWS, COLUMNS, 0), Vec::new())));
        let mut reader = pty.master.try_clone_reader().expect("a reader");
        let written = Arc::clone(&screen);
        let hung_up = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&hung_up);
        let fd = pty.master.as_raw_fd().expect("a descriptor");
        let watcher = std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            loop {
                // Waits in small steps: a blocked read would keep the terminal from being hung up.
                // SAFETY: the master outlives this thread, which is joined before it is dropped, or lives to the end of the test.
                let master = unsafe { BorrowedFd::borrow_raw(fd) };
                let mut fds = [PollFd::from_borrowed_fd(master, PollFlags::IN)];
                let pause = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
                let ready = poll(&mut fds, Some(&pause)).unwrap_or(0);
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                if ready == 0 {
                    continue;
                }
                let Ok(count @ 1..) = reader.read(&mut bytes) else { return };
                let mut screen = written.lock().expect("unpoisoned");
                screen.0.process(&bytes[..count]);
                screen.1.extend_from_slice(&bytes[..count]);
            }
        });
        let keys = pty.master.take_writer().expect("a writer");
        Self { master: pty.master, child, keys, screen, hung_up, watcher }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("typed");
    }

    fn text(&self) -> String {
        self.screen.lock().expect("unpoisoned").0.screen().contents()
    }

    fn bytes(&self) -> usize {
        self.screen.lock().expect("unpoisoned").1.len()
    }

    /// Bytes written once nothing more has come for a while.
    fn settled(&self) -> usize {
        // The machine may be busy with other tests: one quiet moment is none yet.
        let (mut known, mut quiet) = (0, 0);
        while quiet < 4 {
            std::thread::sleep(Duration::from_millis(250));
            quiet = if known == self.bytes() { quiet + 1 } else { 0 };
            known = self.bytes();
        }
        known
    }

    /// Waits until the screen is as wanted; fails with the screen after a minute.
    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        for _ in 0..6000 {
            if wanted(&self.text()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("never: {what}\n{}", self.text());
    }

    fn ended(&mut self) {
        for _ in 0..6000 {
            if self.child.try_wait().expect("asked").is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        panic!("the console did not end\n{}", self.text());
    }
}

#[test]
fn the_console_shows_the_run_takes_keys_and_gives_the_terminal_back_once() {
    let mut console = Console::start(None);
    console.wait("the dashboard", |text| text.contains("lecture-04.mp4") && text.contains("1312 of 2048 MB"));
    let first = console.settled();
    println!("the first paint takes {first} bytes");
    assert!(first <= 12 * 1024, "the first paint took {first} bytes");
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(console.bytes(), first, "nothing changed, nothing is written");
    console.press("?");
    console.wait("the help page", |text| text.contains("type to filter"));
    console.press("\x1b");
    console.wait("the help page closed", |text| !text.contains("type to filter"));
    console.press("\x1a");
    console.wait("the screen after Ctrl-Z", |text| text.contains("lecture-04.mp4"));
    console.master.resize(PtySize { rows: 10, cols: 40, pixel_width: 0, pixel_height: 0 }).expect("resized");
    console.wait("three lines", |text| text.contains("1312/2048 MB"));
    console.press("q");
    console.wait("the question", |text| text.contains("Keep running"));
    console.press("q");
    console.ended();
    console.wait("the end", |text| text.contains("the console ended: Ok(Finished)"));
    let screen = console.screen.lock().expect("unpoisoned");
    let sent = String::from_utf8_lossy(&screen.1);
    // Once for Ctrl-Z, once for the end.
    assert_eq!(sent.matches("\x1b[?1049h").count(), 2, "taken");
    assert_eq!(sent.matches("\x1b[?1049l").count(), 2, "given back");
    assert_eq!(sent.matches("\x1b[?1000h").count(), sent.matches("\x1b[?1000l").count());
    assert!(!screen.0.screen().alternate_screen() && !screen.0.screen().hide_cursor());
}

#[test]
#[allow(clippy::disallowed_methods)] // bytes are counted by the second
fn two_jobs_at_work_cost_less_than_four_kilobytes_a_second() {
    let console = Console::start_with(None, &[PACE]);
    console.wait("progress", |text| text.contains("21%"));
    let (began, from) = (std::time::Instant::now(), console.bytes());
    // By the screen's own clock: the fifth second after this one has come.
    let second = |text: &str| text.lines().next().and_then(|line| line.split(':').next_back()?.trim().parse::<u64>().ok());
    let start = second(&console.text()).expect("a clock");
    console.wait("five seconds more", |text| second(text).is_some_and(|now| (now + 60 - start) % 60 >= 5));
    let (bytes, took) = (console.bytes() - from, began.elapsed().as_secs_f64());
    println!("{bytes} bytes in {took:.1} s");
    assert!(bytes > 100, "it is at work");
    assert!(bytes as f64 / took <= 4096.0, "{bytes} bytes in {took:.1} s");
}

/// Every action of the dashboard: what is typed, what must then be seen, what is typed to get back.
const EFFECTS: &[(&[Act], &str, &str, &str)] = &[
    (&[Act::Help], "?", "type to filter", "\x1b"),
    (&[Act::CommandLine], ":", " Commands ", "\x1b"),
    (&[Act::Profiles], "p", "jobs at once, largest file", "\x1b"),
    (&[Act::Warnings], "W", "no warning sign is seen", "\x1b"),
    (&[Act::WhatIf], "w", "nobody here can look ahead", "\x1b"),
    (&[Act::Add], "a", "add files or folders:", "\x1b"),
    (&[Act::Cancel], "x", "Cancel the job", "\x1b"),
    (&[Act::Remove], "D", "delete #17: it is at work", ""),
    (&[Act::Quit], "q", "Keep running", "\x1b"),
    (&[Act::Enter, Act::Back], "\r", "What happened", "\x1b"),
    (&[Act::Events], "e", "latest first", "\x1b"),
    (&[Act::Doctor], "d", "nobody here can look that up", "\x1b"),
    (&[Act::Watched], "i", "no folder is watched", "\x1b"),
    (&[Act::Compare], "c", "nobody here can look that up", "\x1b"),
    (&[Act::CompareQueue], "V", "hold the queue first (S)", ""),
    (&[Act::Filter], "/", "filter: ", "\x1b"),
    (&[Act::Freeze], "f", "FROZEN", "f"),
    (&[Act::PaneMemory, Act::Zoom], "1z", "cannot be dropped", "z"),
    (&[Act::PaneCleanups], "3z", "TOOK", "z"),
    (&[Act::PaneLog], "4z", "4 Log #17 lecture-04.mp4 ───────────────────────────────────────────────────", "z"),
    (
        &[Act::PaneQueue, Act::NextPane],
        "2\t\tz",
        "4 Log #17 lecture-04.mp4 ──────────────────────────────────────────────────",
        "z",
    ),
    (&[Act::PrevPane], "2\x1b[Zz", "cannot be dropped", "z2"),
    (&[Act::Last], "G", "4 Log #14", "g"),
    (&[Act::Down], "j", "4 Log #18", ""),
    (&[Act::Up], "k", "4 Log #17", ""),
    (&[Act::HalfDown], "\x04", "4 Log #20", ""),
    (&[Act::HalfUp], "\x15", "4 Log #17", ""),
    (&[Act::PageDown], "\x1b[6~", "4 Log #14", ""),
    (&[Act::PageUp, Act::First], "\x1b[5~g", "4 Log #17", ""),
    (&[Act::PrevMatch], "4/frame\rN", "line 9 of 10", ""),
    (&[Act::NextMatch], "n", "line 10 of 10", "L2"),
    (&[Act::ChartBack], "[", "−60s", ""),
    (&[Act::ChartForward], "]", "now│", ""),
    (&[Act::ChartLonger], ">", "−15m", ""),
    (&[Act::ChartShorter], "<", "−5m", ""),
    (&[Act::Theme], "t", "theme: light", "ttt"),
    (&[Act::Ascii], "T", "(-) plimsoll", "T"),
    (&[Act::Mouse], "m", "mouse off", "m"),
    (&[Act::CopyLine], "y", "copied 17 characters", ""),
    (&[Act::CopyLog], "Y", "copied 8", ""),
    (&[Act::Follow], "L", "line 10 of 10", "L"),
    (&[Act::Wrap], "l", "go on in the next line", "l"),
    (&[Act::RunLog], "R", "4 Log of the run", "R"),
    (&[Act::Working], "jb", "is at work and selected", "g"),
    (&[Act::WholeLog], "o", "nobody here can look that up", "o"),
    (&[Act::PauseJob], " ", "heard: PauseJob(JobId(17))", ""),
    (&[Act::Retry], "r", "heard: Retry(JobId(17))", ""),
    (&[Act::Allow], "A", "heard: Allow(JobId(17))", ""),
    (&[Act::Later], "J", "heard: Move(JobId(17), Later)", ""),
    (&[Act::Sooner], "K", "heard: Move(JobId(17), Sooner)", ""),
    (&[Act::MoveFirst], "{", "heard: Move(JobId(17), First)", ""),
    (&[Act::MoveLast], "}", "heard: Move(JobId(17), Last)", ""),
    (&[Act::HoldQueue], "S", "heard: Pause", ""),
    (&[Act::Sort], "s", "sorted by number", "ssss"),
    (&[Act::MarkAll], "*", "12 marked", "*"),
    (&[Act::Mark, Act::MarkRange], "gvj.", "3 marked", "\x1b"),
    (&[Act::Undo], "u", "there is no deletion and no move", ""),
    (&[Act::ClearFinished], "F", "Take 3 jobs that ended", "\x1b"),
    (&[Act::CleanNow], "C", "heard: CleanNow", ""),
    (&[Act::Drain], "E", "heard: Drain", ""),
    (&[Act::Suspend], "\x1a", "heard: Continue", ""),
];

#[test]
fn every_key_of_the_table_has_an_effect_that_is_seen() {
    let mut console = Console::start_with(None, &[ECHO]);
    console.wait("the dashboard", |text| text.contains("4 Log #17"));
    for (acts, keys, wanted, back) in EFFECTS {
        console.press(keys);
        console.wait(&format!("{acts:?}: {wanted}"), |text| text.contains(wanted));
        if !back.is_empty() {
            console.press(back);
            console.wait(&format!("back after {acts:?}"), |text| !text.contains(wanted));
        }
    }
    // Drawing again sends everything once more.
    let before = console.settled();
    console.press("\x0c");
    console.wait("everything again", |_| console.bytes() > before + 8 * 1024);
    let covered: Vec<Act> = EFFECTS.iter().flat_map(|(acts, ..)| acts.iter().copied()).chain([Act::Redraw]).collect();
    for binding in TABLE.iter().filter(|binding| binding.mode == KeyMode::Normal) {
        assert!(covered.contains(&binding.act), "nobody presses the key of {:?}", binding.act);
    }
    let screen = console.screen.lock().expect("unpoisoned");
    assert!(
        String::from_utf8_lossy(&screen.1).contains("\x1b]52;c;L3YvbGVjdHVyZS0wNC5tcDQ=\x1b\\"),
        "the path is in the clipboard"
    );
}

#[test]
fn what_is_pasted_or_logged_cannot_take_over_the_terminal() {
    let mut console = Console::start_with(None, &[HOSTILE]);
    console.wait("the log", |text| text.contains("it ends here") && text.contains("1 Memory"));
    console.press("a");
    console.wait("the prompt opened", |text| text.contains("add files or folders:"));
    console.press("\x1b[200~\x1b]0;pasted\x07\x1b[2J\x03 'a b'\r\nrm\x1b[201~");
    console.wait("the prompt", |text| text.contains("add files or folders:") && text.contains("rm"));
    let screen = console.text();
    assert!(screen.contains("1 Memory") && screen.contains("it ends here"), "{screen}");
    console.press("\x1b");
    console.wait("the prompt gone", |text| !text.contains("add files or folders:"));
    let sent = console.screen.lock().expect("unpoisoned").1.clone();
    let sent = String::from_utf8_lossy(&sent);
    for evil in ["\x1b]0;", "\x1b]52;", "\x1b[2J", "\x1b[31m", "\x07", "\u{9b}"] {
        assert!(!sent.contains(evil), "{evil:?} was let through");
    }
}

#[test]
fn after_a_storm_of_sizes_the_screen_is_as_if_drawn_anew() {
    let mut console = Console::start(None);
    console.wait("the dashboard", |text| text.contains("4 Log #17"));
    for step in 0_u16..120 {
        let (cols, rows) = match step % 6 {
            0 => (1, 1),
            1 => (2 + step % 118, 1 + step % 35),
            2 => (60, 16),
            3 => (80, 24),
            4 => (119, 35),
            _ => (3, 36),
        };
        console.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("resized");
        if step % 7 == 0 {
            console.press("z");
        }
    }
    console.master.resize(PtySize { rows: 36, cols: 120, pixel_width: 0, pixel_height: 0 }).expect("resized");
    console.press("\x0c");
    console.wait("the last size", |text| text.lines().next_back().is_some_and(|line| line.contains("q quit")));
    console.settled();
    let after = console.text();
    console.press("\x0c");
    console.settled();
    assert_eq!(console.text(), after);
}

#[test]
fn no_key_is_lost_that_comes_in_the_moment_of_a_new_size() {
    const KEYS: u64 = 300;
    let mut console = Console::start_with(None, &[ECHO]);
    console.wait("the dashboard", |text| text.contains("4 Log #17"));
    console.press("e");
    let told = |text: &str| text.split("Events ").nth(1)?.split(' ').next()?.parse::<u64>().ok();
    console.wait("the events", |text| told(text).is_some());
    let before = told(&console.text()).expect("told");
    for step in 0..KEYS {
        let (rows, cols) = if step % 2 == 0 { (30, 100) } else { (36, 120) };
        console.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("resized");
        console.press("C");
    }
    console.wait("all that the keys asked for", |text| told(text) == Some(before + KEYS));
}

#[test]
fn a_terminal_that_is_gone_ends_the_console_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let gone = dir.path().join("gone");
    let console = Console::start(Some(&gone));
    console.wait("the dashboard", |text| text.contains("lecture-04.mp4"));
    let Console { master, keys, mut child, hung_up, watcher, .. } = console;
    hung_up.store(true, Ordering::SeqCst);
    watcher.join().expect("joined");
    drop(keys);
    drop(master);
    for _ in 0..6000 {
        if child.try_wait().expect("asked").is_some() {
            assert!(gone.exists(), "it ended, but not because it noticed");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    panic!("the console lives on without a terminal");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    let mut console = Console::start_with(None, &[PANIC]);
    console.wait("the dashboard", |text| text.contains("lecture-04.mp4"));
    console.press("C");
    console.ended();
    console.wait("the panic's own words", |text| text.contains("a planted panic"));
    let screen = console.screen.lock().expect("unpoisoned");
    let sent = String::from_utf8_lossy(&screen.1);
    assert_eq!(sent.matches("\x1b[?1049l").count(), 1, "given back once");
    let (left, told) = (sent.find("\x1b[?1049l").expect("left"), sent.find("a planted panic").expect("told"));
    assert!(left < told, "what is told on the alternate screen is lost");
    let screen = screen.0.screen();
    assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
}
