//! What plimsoll has to say of its own work beside the events of a run (`tracing`): a memory group that cannot be limited, metrics that
//! cannot be told. It stands among the log lines on stderr, and in the log file.
//!
//! Only a process without a screen has them: a run, a server, a worker, a comparison in lines. A window says nothing in this way, since
//! it would stand across what the window draws. Whoever has something to say never waits for a reader: a thread of its own writes.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use color_eyre::eyre::{Context as _, Result};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::domain::job::LogLevel;
use crate::domain::text::sanitise;
use crate::domain::time::Wall;
use crate::headless::lines::{Line, LineStyle};

/// So many wait to be written; where nobody reads, what comes beyond them is left out.
const MOST_WAITING: usize = 256;
/// How long the end waits for what is still to be written.
const AT_THE_END: Duration = Duration::from_secs(1);

/// For as long as it lives what is said is written; its end waits for what was said before, within limits.
pub(in crate::cli) struct Diagnostics(SyncSender<Order>);

enum Order {
    Line(Line),
    /// Everything before it is written.
    Written(Sender<()>),
}

impl Diagnostics {
    /// Begins to write: warnings to stderr, and everything to the file. Once in the life of a process.
    pub(in crate::cli) fn start(color: bool, file: Option<File>) -> Result<Self> {
        let (orders, ordered) = sync_channel(MOST_WAITING);
        let work = move || write(&ordered, color, file);
        std::thread::Builder::new().name("remarks".to_owned()).spawn(work).wrap_err("cannot start a thread")?;
        // Where a process has somebody for it already, that one goes on.
        let _ = tracing::subscriber::set_global_default(Remarks(orders.clone()));
        Ok(Self(orders))
    }

    /// Waits until what was said is written, and no longer than a second: its reader may have stopped reading.
    pub(in crate::cli) fn wait(&self) {
        let (written, is_written) = channel();
        if self.0.try_send(Order::Written(written)).is_ok() {
            let _ = is_written.recv_timeout(AT_THE_END);
        }
    }
}

impl Drop for Diagnostics {
    fn drop(&mut self) {
        self.wait();
    }
}

fn write(ordered: &Receiver<Order>, color: bool, mut file: Option<File>) {
    let (for_stderr, for_file) = (LineStyle::terminal(color), LineStyle::file());
    while let Ok(order) = ordered.recv() {
        match order {
            Order::Line(line) => {
                // The file first: stderr may stand still. Whoever writes the log lines tells what the file has lost.
                if let Some(file) = &mut file {
                    let _ = file.write_all(format!("{}\n", for_file.render(&line)).as_bytes());
                }
                if line.level != LogLevel::Info {
                    crate::cli::write_stderr(&format!("{}\n", for_stderr.render(&line)));
                }
            }
            Order::Written(told) => drop(told.send(())),
        }
    }
}

/// Makes lines of what this crate says. Spans are not used here, and those of libraries are not followed.
struct Remarks(SyncSender<Order>);

impl Subscriber for Remarks {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with(env!("CARGO_PKG_NAME")) && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warning,
            _ => LogLevel::Info,
        };
        let mut words = Words::default();
        event.record(&mut words);
        let at = Wall(jiff::Timestamp::now().as_millisecond());
        let _ = self.0.try_send(Order::Line(Line { at, level, job: words.job.take(), text: words.text() }));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What is said, in the order of a log line: `what is wrong (its facts): why`.
#[derive(Default)]
struct Words {
    job: Option<String>,
    message: String,
    facts: Vec<String>,
    why: String,
}

impl Words {
    fn text(&self) -> String {
        let facts = if self.facts.is_empty() { String::new() } else { format!(" ({})", self.facts.join(", ")) };
        let text = format!("{}{facts}{}", self.message, self.why);
        // What the system, a file or a server has said may stand in it.
        sanitise(text.as_bytes())
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "error" | "why" => self.why = format!(": {value:?}"),
            "job" => self.job = Some(format!("#{}", format!("{value:?}").trim_start_matches('#'))),
            name => self.facts.push(format!("{name} {value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
