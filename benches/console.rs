//! What the console costs: the time of a frame, and the bytes it sends to the terminal.

use std::fs::File;
use std::time::Duration;

use divan::Bencher;
use jiff::tz::TimeZone;
use plimsoll::domain::job::LogLevel;
use plimsoll::domain::state::LOG_LINES;
use plimsoll::engine::port::{Input, JobReport};
use plimsoll::host::process::log::rate_limit::LogGate;
use plimsoll::runtime::link::Update;
use plimsoll::tui::app::complete::Places;
use plimsoll::tui::app::{App, Settings};
use plimsoll::tui::input::action::Action;
use plimsoll::tui::terminal::setup::Screen;
use plimsoll::tui::{ColorMode, Keymap, ThemeName, view};
use ratatui::Terminal;
use ratatui::layout::Size;

use yard::Yard;

#[path = "support/yard.rs"]
#[allow(dead_code)] // shared with the other benches
mod yard;

fn main() {
    divan::main();
    if std::env::args().any(|word| word == "--bench") {
        print_bytes();
    }
}

/// A console on a run, drawn to a terminal that swallows everything.
struct Console {
    yard: Yard,
    app: App,
    terminal: Terminal<Screen>,
}

impl Console {
    fn new(jobs: u64, width: u16, height: u16) -> Self {
        let mut yard = Yard::new(jobs);
        for _ in 0..6.min(jobs / 2) {
            let job = yard.running()[0];
            yard.end(job);
        }
        yard.events.clear();
        let settings = Settings {
            keys: Keymap::default(),
            theme: ThemeName::Dark,
            color: ColorMode::True,
            ascii: false,
            profiles: vec![yard::profile(2)],
            places: Places { cwd: "/srv/media".into(), home: Some("/root".into()), is_elsewhere: false },
            time_zone: TimeZone::UTC,
            comparison: None,
            replay: false,
            window: None,
            presets: Vec::new(),
            before: None,
        };
        let mut app = App::new(settings);
        app.on_update(Update::Snapshot(Box::new(yard.engine.state().clone())));
        let sink = File::options().write(true).open("/dev/null").expect("a sink");
        let terminal = Terminal::new(Screen::to_file(sink, Size { width, height })).expect("a terminal");
        let mut console = Self { yard, app, terminal };
        // Two minutes of history, so that the chart is full.
        for _ in 0..480 {
            console.quarter();
        }
        console.app.update(Action::Resize(width, height));
        console
    }

    /// A quarter of a second of the run: one memory sample, and a progress report of one of the two jobs.
    fn quarter(&mut self) {
        let sample = self.yard.sample();
        self.yard.settle(sample);
        let running = self.yard.running();
        let turn = self.yard.events.iter().map(|event| event.seq.0).max().unwrap_or(0) / 2 % 2;
        let progress = self.yard.progress(running[turn as usize]);
        self.yard.settle(progress);
        for event in self.yard.events.drain(..) {
            self.app.on_update(Update::Event(Box::new(event)));
        }
    }

    /// Draws, and tells the bytes sent for it.
    fn draw(&mut self) -> u64 {
        let before = self.terminal.backend().sent();
        let app = &self.app;
        self.terminal.draw(|frame| view::draw(app, frame)).expect("drawn");
        self.terminal.backend().sent() - before
    }
}

fn frames(bencher: Bencher, console: Console) {
    let console = std::cell::RefCell::new(console);
    bencher.with_inputs(|| console.borrow_mut().quarter()).bench_local_values(|()| console.borrow_mut().draw());
}

#[divan::bench(sample_count = 1000, sample_size = 1)]
fn frame_200x60_with_100_000_jobs(bencher: Bencher) {
    frames(bencher, Console::new(100_000, 200, 60));
}

#[divan::bench(sample_count = 1000, sample_size = 1)]
fn frame_120x36_busy(bencher: Bencher) {
    frames(bencher, Console::new(24, 120, 36));
}

/// One job writes a hundred thousand lines a second, as a damaged file can make ffmpeg do; its log is what is looked at.
struct Flood {
    console: Console,
    gate: LogGate,
    at: Duration,
    line: u64,
}

impl Flood {
    fn new(width: u16, height: u16) -> Self {
        let mut flood = Self { console: Console::new(24, width, height), gate: LogGate::new(), at: Duration::ZERO, line: 0 };
        // Until as many lines are kept as ever are.
        for _ in 0..250 {
            flood.quarter();
        }
        let job = flood.console.yard.running()[0];
        let state = flood.console.app.shown();
        assert_eq!(state.logs[&Some(job)].lines.len(), LOG_LINES, "its log is full");
        assert_eq!(flood.console.app.selected(), Some(job), "and is the one that is shown");
        flood
    }

    /// A quarter of a second: 25,000 lines come to the gate that stands before the events, and what it lets through to the
    /// console, with everything else of the time.
    fn quarter(&mut self) {
        for _ in 0..25_000 {
            self.line += 1;
            self.at += Duration::from_micros(10);
            let text = format!("[h264 @ 0x55d0c8] [warning] concealing {} DC errors in P frame", self.line);
            self.gate.offer(self.at, LogLevel::Warning, &text);
        }
        self.gate.tick(self.at);
        let job = self.console.yard.running()[0];
        self.console.yard.settle(Input::Job(job, JobReport::Log(self.gate.take())));
        self.console.quarter();
    }
}

fn flooded(bencher: Bencher, flood: Flood) {
    let flood = std::cell::RefCell::new(flood);
    bencher.with_inputs(|| flood.borrow_mut().quarter()).bench_local_values(|()| flood.borrow_mut().console.draw());
}

#[divan::bench(sample_count = 300, sample_size = 1)]
fn frame_120x36_under_a_flood_of_100_000_lines_a_second(bencher: Bencher) {
    flooded(bencher, Flood::new(120, 36));
}

#[divan::bench(sample_count = 300, sample_size = 1)]
fn frame_200x60_under_a_flood_of_100_000_lines_a_second(bencher: Bencher) {
    flooded(bencher, Flood::new(200, 60));
}

/// The 25,000 lines themselves, from where they are made to what the console keeps of them.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn lines_of_a_quarter_of_that_flood(bencher: Bencher) {
    let mut flood = Flood::new(120, 36);
    bencher.bench_local(|| flood.quarter());
}

/// What the events of a quarter of a second cost the console before it draws.
#[divan::bench(sample_count = 1000, sample_size = 1)]
fn events_of_a_quarter_with_100_000_jobs(bencher: Bencher) {
    let mut console = Console::new(100_000, 200, 60);
    bencher.bench_local(|| console.quarter());
}

fn print_bytes() {
    println!();
    for (jobs, width, height) in [(24, 120, 36), (24, 200, 50), (100_000, 200, 60)] {
        let mut console = Console::new(jobs, width, height);
        let first = console.draw();
        let mut seconds: Vec<u64> = (0..120)
            .map(|_| {
                (0..4)
                    .map(|_| {
                        console.quarter();
                        console.draw()
                    })
                    .sum()
            })
            .collect();
        seconds.sort_unstable();
        let (median, most) = (seconds[seconds.len() / 2], seconds[seconds.len() - 1]);
        let still = console.draw();
        println!(
            "bytes at {width}x{height}, {jobs} jobs, 2 running, 4 Hz: first frame {first}, a second {median} (at most {most}), \
             a frame without change {still}"
        );
    }
}
