//! Runs the operator's commands, or posts to the operator's addresses, when something has happened. Whatever they do, the queue goes on: they are handed over without
//! waiting, run few at a time, limited as jobs are, and are killed when they take too long.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
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
use crate::host::process::child::ChildSetup;
use crate::host::process::command::{Answer, Bounds, ToolError, run_fed};
use crate::host::process::webhook;

/// Commands at a time.
const AT_ONCE: usize = 4;
/// Events that wait for a command; what comes beyond them is left out, and told.
const MOST_WAITING: usize = 64;
/// The longest a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two looks whether all have ended.
const LOOK: Duration = Duration::from_millis(20);
/// What is read of either output.
const MOST_SAID: usize = 64 * 1024;
/// What is told of what it said, in characters.
const MOST_TOLD: usize = 200;

/// The commands of a host, and those that run.
#[derive(Debug)]
pub(in crate::host) struct HookRunner {
    hooks: Arc<Hooks>,
    watch: HookWatch,
    inputs: UnboundedSender<Input>,
    orders: Option<SyncSender<HookEvent>>,
    workers: Vec<JoinHandle<()>>,
    given_up: Arc<AtomicBool>,
    /// How many were left out since the last one that was not.
    left_out: u64,
    is_ending: bool,
}

impl HookRunner {
    /// Starts the threads that run them, where there are any to be run. What comes of them goes to `inputs`.
    pub(in crate::host) fn new(hooks: Hooks, inputs: UnboundedSender<Input>, limit: Option<Duration>) -> io::Result<Self> {
        let (orders, waiting) = sync_channel(MOST_WAITING);
        let (hooks, waiting, given_up) = (Arc::new(hooks), Arc::new(Mutex::new(waiting)), Arc::new(AtomicBool::new(false)));
        let mut workers = Vec::new();
        for _ in 0..if hooks.is_empty() { 0 } else { AT_ONCE } {
            let worker = Worker {
                hooks: Arc::clone(&hooks),
                waiting: Arc::clone(&waiting),
                inputs: inputs.clone(),
                given_up: Arc::clone(&given_up),
                limit: limit.unwrap_or(LIMIT),
            };
            workers.push(std::thread::Builder::new().name("hook".to_owned()).spawn(move || worker.work())?);
        }
        let watch = HookWatch::default();
        Ok(Self { hooks, watch, inputs, orders: Some(orders), workers, given_up, left_out: 0, is_ending: false })
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
            match orders.try_send(order) {
                Ok(()) => self.left_out = 0,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
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
    given_up: Arc<AtomicBool>,
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
            let (level, told) = match self.hooks.get(&order.hook) {
                None => continue,
                Some(HookAction::Command(words)) => told(self.run(words, &order)),
                Some(HookAction::Url(url)) => match self.post(url, &order) {
                    Ok(answer) => (LogLevel::Info, format!("done: {answer}")),
                    Err(why) => (LogLevel::Warning, why),
                },
            };
            let job = order.event.kind.job().map_or_else(String::new, |job| format!(" for job {job}"));
            let text = format!("hook {}{job}: {told}", order.hook.name());
            let _ = self.inputs.send(Input::Note { level, text });
        }
    }

    fn post(&self, url: &str, order: &HookEvent) -> Result<String, String> {
        let body = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        webhook::post(url, &body, self.limit, &self.given_up)
    }

    fn run(&self, words: &[String], order: &HookEvent) -> Result<Answer, ToolError> {
        let Some((program, args)) = words.split_first() else { unreachable!("no settings hold an empty command") };
        let failed = |source: io::Error| ToolError::Start { program: program.into(), source };
        let mut command = Command::new(program);
        // The service manager is told by plimsoll alone.
        command.args(args).current_dir("/").env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        let setup = ChildSetup {
            parent: std::process::id() as libc::pid_t,
            progress: None,
            third: None,
            max_file: None,
            address_space: None,
            group: None,
            fence: None,
        };
        // SAFETY: `apply` makes only calls that are safe between fork and exec, as its module says.
        unsafe { command.pre_exec(move || setup.apply()) };
        let input = event_on_stdin(order).map_err(failed)?;
        let bounds = Bounds { limit: self.limit, stdout: MOST_SAID, stderr: MOST_SAID };
        run_fed(&mut command, input, bounds, Some(&self.given_up))
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
#[allow(clippy::disallowed_methods)] // a deadline needs the clock
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::domain::event::Seq;
    use crate::domain::hook::Hook;
    use crate::domain::time::{Mono, Wall};

    fn warning(number: u64) -> Event {
        let kind = EventKind::WarningRaised {
            warning: format!("sign {number}"),
            evidence: String::new(),
            advice: String::new(),
            profile: None,
        };
        Event { seq: Seq(number), at: Wall(0), mono: Mono::START, kind }
    }

    fn runner(script: &str, limit: Duration) -> (HookRunner, UnboundedReceiver<Input>) {
        let (sender, inputs) = unbounded_channel();
        let words = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let hooks = Hooks::from([(Hook::OnWarning, HookAction::Command(words))]);
        (HookRunner::new(hooks, sender, Some(limit)).expect("threads"), inputs)
    }

    fn note(inputs: &mut UnboundedReceiver<Input>) -> (LogLevel, String) {
        match inputs.blocking_recv() {
            Some(Input::Note { level, text }) => (level, text),
            other => panic!("no note: {other:?}"),
        }
    }

    #[test]
    fn a_command_gets_the_event_and_is_limited_as_a_job_and_what_it_says_is_told() {
        let script = "tty >&2; set -- $(cat /proc/$$/stat); test $6 = $$ && echo own session; exit 3";
        let (mut runner, mut inputs) = runner(script, LIMIT);
        runner.see(&warning(1));
        let (level, text) = note(&mut inputs);
        assert_eq!(level, LogLevel::Warning);
        assert_eq!(text, "hook on_warning: ended with exit status: 3: not a tty; own session");
        runner.close();

        let (mut runner, mut inputs) = self::runner("read -r line; printf '%s %s' \"$(nice)\" \"$line\"", LIMIT);
        runner.see(&warning(1));
        let (level, text) = note(&mut inputs);
        assert_eq!(level, LogLevel::Info);
        let said = text.strip_prefix("hook on_warning: done: ").unwrap_or_else(|| panic!("{text}"));
        let (nice, json) = said.split_once(' ').expect("two words");
        assert!(nice.parse::<u32>().is_ok_and(|nice| nice >= 10), "{nice}");
        let event: serde_json::Value = serde_json::from_str(json).expect("JSON");
        assert_eq!(
            (&event["hook"], &event["event"], &event["warning"]),
            (&"on_warning".into(), &"warning_raised".into(), &"sign 1".into())
        );
        runner.close();
    }

    #[test]
    fn commands_that_hang_hold_nobody_up_and_are_killed_with_all_they_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!("sleep 1000 & echo $! >> {}/pids; wait", folder.path().display());
        let (mut runner, mut inputs) = runner(&script, Duration::from_secs(2));
        let begun = Instant::now();
        for number in 0..200 {
            runner.see(&warning(number));
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "nobody waited");
        let (_, text) = note(&mut inputs);
        assert!(text.contains("64 wait already"), "{text}");
        for _ in 0..AT_ONCE {
            let (_, text) = note(&mut inputs);
            assert!(text.contains("did not answer within 2 s and was stopped"), "{text}");
        }
        // Whoever ends the server does not wait for those that hang.
        runner.see(&Event { kind: EventKind::ShutdownStarted, ..warning(0) });
        let begun = Instant::now();
        runner.close();
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        let pids = std::fs::read_to_string(folder.path().join("pids")).expect("they were started");
        let alive = |pid: &&str| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"));
        assert!(pids.lines().count() >= AT_ONCE);
        let deadline = Instant::now() + Duration::from_secs(20);
        while pids.lines().any(|pid| alive(&pid)) {
            assert!(Instant::now() < deadline, "alive: {:?}", pids.lines().filter(alive).collect::<Vec<_>>());
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_told() {
        let (sender, mut inputs) = unbounded_channel();
        let hooks = Hooks::from([(Hook::OnWarning, HookAction::Command(vec!["/no/such/program".to_owned()]))]);
        let mut runner = HookRunner::new(hooks, sender, None).expect("threads");
        runner.see(&warning(1));
        assert_eq!(note(&mut inputs).1, "hook on_warning: cannot run /no/such/program: no such file or directory");
        runner.close();
    }
}
