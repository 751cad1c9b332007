//! Runs the operator's commands, or posts to the operator's addresses, when something has happened. Whatever they do, the queue
//! goes on: they are handed over without waiting, run few at a time, limited as jobs are, and are killed when they take too long.

mod confine;

use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::event::{Event, EventKind};
use crate::domain::hook::{HookAction, HookEvent, HookWatch, Hooks};
use crate::domain::job::LogLevel;
use crate::domain::text::{error_words, sanitise};
use crate::engine::port::Input;
use crate::host::process::command::{Answer, Beyond, Bounds, ToolError, run_fed};
use crate::host::process::webhook;
pub(in crate::host) use confine::Confinement;

/// Commands at a time.
const AT_ONCE: usize = 4;
/// Events that wait for a command; what comes beyond them is left out, and told.
const MOST_WAITING: usize = 64;
/// The longest a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two looks whether all have ended.
const LOOK: Duration = Duration::from_millis(20);
/// What is kept of either output: its end.
const MOST_SAID: usize = 64 * 1024;
/// What is told of what it said, in characters.
const MOST_TOLD: usize = 200;

/// How many commands run or wait, as both sides count them.
#[derive(Debug, Clone, Default)]
pub struct AtWork(Arc<Mutex<usize>>);

impl AtWork {
    /// Some command runs or waits.
    pub fn is_some(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) > 0
    }

    /// Told under the lock: the last that is told is the last that was counted.
    fn count(&self, inputs: &UnboundedSender<Input>, change: impl FnOnce(usize) -> usize) {
        let mut at_work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *at_work = change(*at_work);
        let _ = inputs.send(Input::Hooks(*at_work));
    }
}

/// The commands of a host, and those that run.
#[derive(Debug)]
pub(in crate::host) struct HookRunner {
    hooks: Arc<Hooks>,
    watch: HookWatch,
    inputs: UnboundedSender<Input>,
    orders: Option<SyncSender<HookEvent>>,
    workers: Vec<JoinHandle<()>>,
    given_up: Arc<AtomicBool>,
    at_work: AtWork,
    /// How many were left out since the last one that was not.
    left_out: u64,
    is_ending: bool,
}

impl HookRunner {
    /// Starts the threads that run them, where there are any to be run. What comes of them goes to `inputs`.
    pub(in crate::host) fn new(
        hooks: Hooks,
        inputs: UnboundedSender<Input>,
        confinement: &Confinement,
        limit: Option<Duration>,
    ) -> io::Result<Self> {
        let (orders, waiting) = sync_channel(MOST_WAITING);
        let (hooks, waiting, given_up) = (Arc::new(hooks), Arc::new(Mutex::new(waiting)), Arc::new(AtomicBool::new(false)));
        let at_work = AtWork::default();
        let mut workers = Vec::new();
        for _ in 0..if hooks.is_empty() { 0 } else { AT_ONCE } {
            let worker = Worker {
                hooks: Arc::clone(&hooks),
                waiting: Arc::clone(&waiting),
                inputs: inputs.clone(),
                confinement: confinement.clone(),
                given_up: Arc::clone(&given_up),
                at_work: at_work.clone(),
                limit: limit.unwrap_or(LIMIT),
            };
            workers.push(std::thread::Builder::new().name("hook".to_owned()).spawn(move || worker.work())?);
        }
        let watch = HookWatch::default();
        Ok(Self { hooks, watch, inputs, orders: Some(orders), workers, given_up, at_work, left_out: 0, is_ending: false })
    }

    /// How many run or wait.
    pub(in crate::host) fn at_work(&self) -> AtWork {
        self.at_work.clone()
    }

    /// Hands over what is to be run for this event. Never waits.
    pub(in crate::host) fn see(&mut self, event: &Event) {
        if self.hooks.is_empty() {
            return;
        }
        self.is_ending |= matches!(event.kind, EventKind::ShutdownStarted);
        for order in self.watch.see(event) {
            let (hook, Some(orders)) = (order.hook, &self.orders) else { return };
            if !self.hooks.contains_key(&hook) {
                continue;
            }
            // Before somebody can have done it.
            self.at_work.count(&self.inputs, |at_work| at_work + 1);
            match orders.try_send(order) {
                Ok(()) => self.left_out = 0,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    self.at_work.count(&self.inputs, |at_work| at_work.saturating_sub(1));
                    self.left_out += 1;
                    if self.left_out == 1 {
                        let why = format!("hook {}: {MOST_WAITING} wait already; it is left out until there is room", hook.name());
                        let _ = self.inputs.send(Input::Note { level: LogLevel::Warning, text: why });
                    }
                }
            }
        }
    }

    /// After a request to end, kills those that run; else lets them, and those that wait, come to their end, for as long as one
    /// may take.
    #[allow(clippy::disallowed_methods)] // the host reads clocks
    pub(in crate::host) fn close(mut self) {
        drop(self.orders.take());
        let deadline = Instant::now() + LIMIT;
        while !self.is_ending && Instant::now() < deadline && self.workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(LOOK);
        }
        self.given_up.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

/// One of the threads that run commands.
struct Worker {
    hooks: Arc<Hooks>,
    waiting: Arc<Mutex<Receiver<HookEvent>>>,
    inputs: UnboundedSender<Input>,
    confinement: Confinement,
    given_up: Arc<AtomicBool>,
    at_work: AtWork,
    limit: Duration,
}

impl Worker {
    fn work(&self) {
        loop {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(order) = next else { return };
            if self.given_up.load(Ordering::Relaxed) {
                return;
            }
            let _ = self.inputs.send(self.outcome(&order));
            // After it was told how it ended.
            self.at_work.count(&self.inputs, |at_work| at_work.saturating_sub(1));
        }
    }

    /// Does what is ordered; how it ended, as it is told.
    fn outcome(&self, order: &HookEvent) -> Input {
        let job = order.event.kind.job().map_or_else(String::new, |job| format!(" for job {job}"));
        let name = format!("hook {}{job}", order.hook.name());
        let (level, told) = match self.hooks.get(&order.hook) {
            // No other is handed over.
            None => (LogLevel::Info, "nothing to do".to_owned()),
            Some(HookAction::Command(words)) => {
                let (result, was_too_large) = self.run(words, order);
                let (level, told) = told(result);
                if was_too_large {
                    let what =
                        format!("{name} took more than the {} of memory that it may have", self.confinement.memory().whole());
                    return Input::Fault { what, detail: format!("the kernel killed it alone; {told}") };
                }
                (level, told)
            }
            Some(HookAction::Url(url)) => match self.post(url, order) {
                Ok(answer) => (LogLevel::Info, format!("done: {answer}")),
                Err(why) => (LogLevel::Warning, why),
            },
        };
        Input::Note { level, text: format!("{name}: {told}") }
    }

    fn post(&self, url: &str, order: &HookEvent) -> Result<String, String> {
        let body = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        webhook::post(url, &body, self.limit, &self.given_up)
    }

    /// Runs a command; also tells whether the kernel killed something of it for want of memory.
    fn run(&self, words: &[String], order: &HookEvent) -> (Result<Answer, ToolError>, bool) {
        let ran = self.run_in(&self.confinement, words, order);
        match ran {
            // It may be the group that refuses, and a hook can do without: what else is wrong shows again.
            (Err(ToolError::Start { .. }), _) if self.confinement.has_groups() => {
                self.run_in(&self.confinement.without_groups(), words, order)
            }
            ran => ran,
        }
    }

    fn run_in(&self, confinement: &Confinement, words: &[String], order: &HookEvent) -> (Result<Answer, ToolError>, bool) {
        let Some((program, args)) = words.split_first() else { unreachable!("no settings hold an empty command") };
        let failed = |source: io::Error| ToolError::Start { program: program.into(), source };
        let mut command = Command::new(program);
        // The service manager is told by plimsoll alone.
        command.args(args).current_dir("/").env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        let confined = confinement.apply_to(&mut command);
        let bounds = Bounds { limit: self.limit, stdout: MOST_SAID, stderr: MOST_SAID, beyond: Beyond::Forgotten };
        let run = |input| run_fed(&mut command, input, bounds, Some(&self.given_up));
        let result = event_on_stdin(order).map_err(failed).and_then(run);
        (result, confined.end())
    }
}

/// One line of JSON in a pipe. It is written before anybody reads, so it may not be longer than a pipe takes.
fn event_on_stdin(order: &HookEvent) -> io::Result<Stdio> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&writer, true)?;
    std::fs::File::from(writer).write_all(&line)?;
    Ok(Stdio::from(reader))
}

/// How it ended and what it said, in one line.
fn told(result: Result<Answer, ToolError>) -> (LogLevel, String) {
    let answer = match result {
        Ok(answer) => answer,
        Err(ToolError::Start { program, source }) => {
            return (
                LogLevel::Warning,
                format!("cannot run {}: {}", crate::domain::text::path_text(&program), error_words(&source)),
            );
        }
        Err(error) => return (LogLevel::Warning, error.to_string()),
    };
    let last = |said: &[u8]| {
        let said = said.trim_ascii_end();
        let line = said.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        sanitise(line).chars().take(MOST_TOLD).collect::<String>()
    };
    let said: Vec<String> =
        [&answer.stderr, &answer.stdout].into_iter().map(|said| last(said)).filter(|said| !said.is_empty()).collect();
    let said = if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) };
    let level = if answer.status.success() { LogLevel::Info } else { LogLevel::Warning };
    (level, format!("{}{said}", if answer.status.success() { "done".to_owned() } else { format!("ended with {}", answer.status) }))
}

#[cfg(test)]
mod tests;
