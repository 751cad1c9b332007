//! The linear mode: one line for whatever happens, and commands typed as lines. No frames, no drawing characters, nothing is
//! ever drawn again: for screen readers, and for terminals that can do no more.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, Read as _, Write};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use super::TOLD_KEPT;
use super::lines::{LineStyle, Lines};
use crate::domain::command::{Command, MoveTo, RequestId};
use crate::domain::event::EventKind;
use crate::domain::job::{Job, JobId, Phase};
use crate::domain::profile::Profile;
use crate::domain::state::State;
use crate::domain::text::{file_name_text, path_text, sanitise};
use crate::domain::time::span_words;
use crate::domain::units::Bytes;
use crate::runtime::link::{Link, Update};

/// Longest line that is taken.
const MOST_TYPED: u64 = 16 << 10;
/// Jobs and log lines told at most, unless all are asked for.
const TOLD: usize = 20;

const HELP: &str = "\
status            memory, the line, and how many jobs are where
jobs, jobs all    the jobs, the running ones first
job N             one job in words
log N             the latest lines of its log
add PATH          queue a file or a folder
pause N, resume N stop a job where it is, let it go on
cancel N          end a job for good
retry N, allow N  run an ended one again, let a rejected one in
remove N          take it off the list
first N, last N   change its place in the queue; also sooner N, later N
hold, release     start no more jobs, start them again
profiles          the profiles; profile NAME switches to one
clean             clean up now
warnings          the warning signs, with advice
drain, undrain    end after what is queued, take that back
quit              end now; what runs is stopped and stays queued. Twice ends at once";

/// What the linear mode needs to know.
pub struct Linear {
    /// The profiles that can be switched to.
    pub profiles: Vec<Profile>,
    /// The folder that typed paths start from.
    pub cwd: PathBuf,
    /// How lines are written.
    pub style: LineStyle,
}

/// What a typed line asks for.
#[derive(Debug, Clone, PartialEq)]
enum Asked {
    /// Something to be told at once.
    Tell(String),
    /// Something of the engine.
    Engine(Command),
    /// Nothing.
    Nothing,
}

/// Reads lines on a thread of its own; `None` = there are no more.
pub fn typed(mut input: impl BufRead + Send + 'static) -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    // Without the thread nothing can be typed, which ends as if the input had.
    let _ = std::thread::Builder::new().name("typed".to_owned()).spawn(move || {
        loop {
            let mut line = Vec::new();
            match (&mut input).take(MOST_TYPED).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if sender.send(String::from_utf8_lossy(&line).trim().to_owned()).is_err() {
                return;
            }
        }
    });
    lines
}

/// Follows a run to its end, telling every event and doing what is typed. The commands given are asked first. Once every job
/// has ended it ends, unless none was given: then it waits for what is typed.
pub async fn follow(
    mut link: Link,
    commands: Vec<Command>,
    linear: Linear,
    mut typed: mpsc::UnboundedReceiver<String>,
    mut out: impl Write,
) {
    let mut state = State::default();
    let mut lines = Lines::default();
    let mut told = BTreeSet::new();
    let (mut number, mut open, mut ends) = (0, true, !commands.is_empty());
    let mut ask = |link: &Link, command| {
        number += 1;
        let _ = link.requests.send(RequestId(number), command);
    };
    let is_given = ends;
    for command in commands {
        ask(&link, command);
    }
    tell(&mut out, "linear mode: type a command and enter; help lists them");
    loop {
        tokio::select! {
            biased;
            line = typed.recv(), if open => match line.map(|line| linear.read(&line, &state)) {
                Some(Asked::Tell(text)) => tell(&mut out, &text),
                Some(Asked::Engine(command)) => ask(&link, command),
                Some(Asked::Nothing) => {}
                // Nobody can type any more: what is queued still runs.
                None => {
                    open = false;
                    ends = false;
                    ask(&link, Command::Drain);
                }
            },
            update = link.updates.recv() => match update {
                None => return,
                Some(Update::Snapshot(snapshot)) => {
                    lines.learn(&snapshot);
                    state = *snapshot;
                }
                Some(Update::Event(event)) => {
                    state.apply(&event);
                    told.extend(event.kind.trouble().filter(|_| told.len() < TOLD_KEPT));
                    for line in lines.of(&event) {
                        tell(&mut out, &linear.style.render(&line));
                    }
                    if matches!(event.kind, EventKind::RunFinished(_)) {
                        return;
                    }
                    let is_idle = state.index.active.is_empty() && state.index.waiting.is_empty() && state.index.backoff.is_empty();
                    let has_come = !state.jobs.is_empty() || matches!(event.kind, EventKind::InputSkipped { .. });
                    if ends && is_given && is_idle && has_come {
                        ends = false;
                        ask(&link, Command::Drain);
                    }
                }
                Some(Update::Retold(retold)) => {
                    state = retold.state();
                    lines.learn(&state);
                }
                // What an event has told already is told once.
                Some(Update::Reply(_, Err(rejection))) if told.remove(&rejection.0) => {}
                Some(Update::Reply(_, Err(rejection))) => tell(&mut out, &format!("refused: {rejection}")),
                Some(Update::Reply(_, Ok(_)) | Update::Playing(_) | Update::Line(_)) => {}
            },
        }
    }
}

fn tell(out: &mut impl Write, text: &str) {
    // A reader that has gone must not end the run.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

impl Linear {
    fn read(&self, line: &str, state: &State) -> Asked {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim()));
        let command = match word.to_lowercase().as_str() {
            "" => return Asked::Nothing,
            "help" | "?" => return Asked::Tell(HELP.to_owned()),
            "status" => return Asked::Tell(status(state)),
            "jobs" => return Asked::Tell(jobs(state, rest == "all")),
            "warnings" => return Asked::Tell(warnings(state)),
            "profiles" => return Asked::Tell(self.list_profiles(state)),
            "profile" => match self.profiles.iter().find(|profile| profile.name == rest) {
                Some(profile) => Command::SelectProfile(Box::new(profile.clone())),
                None => return Asked::Tell(format!("no profile is called `{}`; profiles lists them", sanitise(rest.as_bytes()))),
            },
            "add" if rest.is_empty() => return Asked::Tell("add what? Give a file or a folder".to_owned()),
            "add" => Command::enqueue(vec![self.cwd.join(rest)], None),
            "hold" => Command::Pause,
            "release" => Command::Resume,
            "clean" => Command::CleanNow,
            "drain" => Command::Drain,
            "undrain" => Command::Undrain,
            "quit" | "exit" => Command::Shutdown,
            _ => return about_job(word, rest, state),
        };
        Asked::Engine(command)
    }

    fn list_profiles(&self, state: &State) -> String {
        let in_force = state.profile.as_ref().map(|profile| profile.name.as_str());
        let line = |profile: &Profile| {
            let mark = if Some(profile.name.as_str()) == in_force { ", in force" } else { "" };
            format!("{}: {}, files up to {}{mark}", profile.name, profile.max_concurrent.words(), profile.max_file_size)
        };
        self.profiles.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// The commands that name a job.
fn about_job(word: &str, rest: &str, state: &State) -> Asked {
    const WORDS: [&str; 12] =
        ["job", "log", "pause", "resume", "cancel", "retry", "allow", "remove", "first", "last", "sooner", "later"];
    if !WORDS.contains(&word) {
        return Asked::Tell(format!("no command is called `{}`; help lists them", sanitise(word.as_bytes())));
    }
    let Ok(id) = rest.trim_start_matches('#').parse().map(JobId) else {
        return Asked::Tell(format!("{word} which job? Give its number, as in {word} 17"));
    };
    let Some(known) = state.jobs.get(&id) else { return Asked::Tell(format!("there is no job {id}; jobs lists them")) };
    let command = match word {
        "job" => return Asked::Tell(job(known, state)),
        "log" => return Asked::Tell(log(id, state)),
        "pause" => Command::PauseJob(id),
        "resume" => Command::ResumeJob(id),
        "cancel" => Command::Cancel(id),
        "retry" => Command::Retry(id),
        "allow" => Command::Allow(id),
        "remove" => Command::Remove(id),
        "first" => Command::Move(id, MoveTo::First),
        "last" => Command::Move(id, MoveTo::Last),
        "sooner" => Command::Move(id, MoveTo::Sooner),
        _ => Command::Move(id, MoveTo::Later),
    };
    Asked::Engine(command)
}

fn status(state: &State) -> String {
    let memory = &state.memory;
    let jobs: Bytes = memory.jobs.values().copied().sum();
    let counts = state.job_counts();
    let mut out: Vec<String> = Vec::new();
    if let Some(profile) = &state.profile {
        let slots = profile.max_concurrent.words();
        let decided = state.decided.as_ref().map(|now| format!("; now {}: {}", now.at_once, now.why)).unwrap_or_default();
        out.push(format!("profile {}: {slots}, files up to {}{decided}", profile.name, profile.max_file_size));
    }
    let (counted, end) = (memory.counted_bytes.whole(), state.lines.budget);
    out.push(format!(
        "memory {counted} of {}, {}; the line is at {}; budget {end}: {}",
        end.whole(),
        memory.shown_level().words(),
        state.lines.high_water.whole(),
        state.budget_source
    ));
    out.push(format!(
        "jobs hold {}, the console {}, {} are reserved",
        jobs.whole(),
        memory.console_bytes.whole(),
        memory.reserved_bytes.whole()
    ));
    if let Some(held) = &state.held {
        out.push(format!("job {} waits for memory: {}", held.job, held.words()));
    }
    if let Some(wanted) = &state.room {
        out.push(format!("job {} {}: {}", wanted.job, wanted.patience(), wanted.reason));
    }
    if state.paused {
        out.push("the queue is held".to_owned());
    }
    let bad = counts.failed + counts.out_of_memory;
    let damaged = if counts.damaged == 0 { String::new() } else { format!(" ({} of them with damage)", counts.damaged) };
    let waiting = counts.unfinished.saturating_sub(state.index.active.len() as u64);
    out.push(format!(
        "{} running, {waiting} waiting, {} done{damaged}, {bad} failed, {} rejected, {} cancelled",
        state.index.active.len(),
        counts.done + counts.already_done,
        counts.rejected,
        counts.cancelled
    ));
    out.join("\n")
}

/// What is happening to a job, in words.
fn phase(job: &Job, state: &State) -> String {
    match &job.phase {
        _ if let Some(lack) = job.lack_of_room() => format!("waits for room: {lack}"),
        Phase::Queued if state.held.is_some_and(|held| held.job == job.id) => "waits for memory".to_owned(),
        Phase::Queued => "queued".to_owned(),
        Phase::Backoff { reason, .. } => format!("waits for another try: {reason}"),
        Phase::Starting => "starting".to_owned(),
        Phase::Running { paused: true, for_memory: true, .. } => "stopped for memory".to_owned(),
        Phase::Running { paused: true, .. } => "paused".to_owned(),
        Phase::Running { .. } => {
            let progress = job.progress.unwrap_or_default();
            let done = progress.ratio.map_or_else(String::new, |ratio| format!(", {:.0} percent", ratio * 100.0));
            let left = progress
                .eta_seconds
                .map_or_else(String::new, |seconds| format!(", {} left", span_words(Duration::from_secs(seconds))));
            format!("running{done}{left}")
        }
        Phase::Stopping { .. } => "being stopped".to_owned(),
        Phase::Finalizing => "its output is being checked".to_owned(),
        Phase::Rejected(why) => format!("not let in: {}", why.detail),
        Phase::Finished(finished) if finished.is_damaged() => format!("{}, damaged", finished.outcome.word()),
        Phase::Finished(finished) => match &finished.reason {
            Some(reason) => format!("{}: {reason}", finished.outcome.word()),
            None => finished.outcome.word().to_owned(),
        },
    }
}

fn line_of(job: &Job, state: &State) -> String {
    format!("job {}, {}: {}", job.id, file_name_text(&job.input), phase(job, state))
}

fn jobs(state: &State, all: bool) -> String {
    let index = &state.index;
    let waiting = index.waiting.iter().map(|(_, id)| id);
    let ended = index.ended.iter().rev().map(|(_, id)| id);
    let order = index.active.iter().chain(&index.backoff).chain(waiting).chain(&index.rejected).chain(ended);
    let mut lines: VecDeque<String> = order.filter_map(|id| state.jobs.get(id)).map(|job| line_of(job, state)).collect();
    let count = lines.len();
    if count == 0 {
        return "no jobs; add PATH queues one".to_owned();
    }
    if !all && count > TOLD {
        lines.truncate(TOLD);
        lines.push_back(format!("and {} more; jobs all tells them", count - TOLD));
    }
    lines.make_contiguous().join("\n")
}

fn job(job: &Job, state: &State) -> String {
    let mut out = vec![line_of(job, state)];
    out.push(format!("input {}, {}, preset {}", path_text(&job.input), job.size, job.preset));
    if let Some(output) = &job.output {
        out.push(format!("output {}", path_text(output)));
    }
    let mut memory = format!("memory {} now, {} at its peak", job.memory.whole(), job.peak.whole());
    if let Some(expected) = job.predicted_peak {
        memory = format!("{memory}, {} expected", expected.whole());
    }
    if job.phase.holds_slot() {
        memory = format!("{memory}, {} reserved", job.reserved.whole());
    }
    out.push(memory);
    if let Phase::Finished(finished) = &job.phase {
        out.extend(finished.damage.as_ref().map(|damage| format!("damage: {}", damage.words())));
        if !finished.left_out.is_empty() {
            out.push(format!("left out: {}", finished.left_out.join(", ")));
        }
    }
    out.join("\n")
}

fn log(id: JobId, state: &State) -> String {
    let Some(ring) = state.logs.get(&Some(id)).filter(|ring| !ring.lines.is_empty()) else {
        return format!("there is no log of job {id} yet");
    };
    let from = ring.lines.len().saturating_sub(TOLD);
    ring.lines.range(from..).map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}

fn warnings(state: &State) -> String {
    if state.warnings.is_empty() {
        return "no warning sign is seen".to_owned();
    }
    let line =
        |(name, warning): (&String, &crate::domain::state::Warning)| format!("{name}: {}; {}", warning.evidence, warning.advice);
    state.warnings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::command::ClientId;
    use crate::domain::event::{Event, Seq};
    use crate::domain::job::Outcome;
    use crate::domain::time::{Mono, Wall};
    use crate::runtime::link::Control;

    fn event(seq: u64, kind: EventKind) -> Update {
        Update::Event(Box::new(Event { seq: Seq(seq), at: Wall(0), mono: Mono::START, kind }))
    }

    fn queued(id: u64, name: &str) -> EventKind {
        EventKind::JobQueued {
            job: JobId(id),
            input: name.into(),
            size_bytes: Bytes::mib(1),
            preset: "web-720p".to_owned(),
            output: None,
            rank: id as i64,
        }
    }

    fn finished(id: u64) -> EventKind {
        EventKind::JobFinished {
            job: JobId(id),
            outcome: Outcome::Done,
            output: None,
            peak_memory_bytes: Bytes::mib(9),
            seconds: 1.0,
            attempts: 1,
            exit_code: Some(0),
            signal: None,
            reason: None,
            damage: None,
            left_out: Vec::new(),
        }
    }

    /// Runs it against a made-up engine; returns what was written and what was asked.
    fn play(typed_lines: &[&str], commands: Vec<Command>, told: Vec<EventKind>) -> (String, Vec<Command>) {
        let (control, mut asked) = mpsc::unbounded_channel();
        let link = Link::attach(ClientId(1), control);
        let Ok(Control::Attach(_, tell)) = asked.try_recv() else { panic!("it attaches itself") };
        assert!(tell.send(Update::Snapshot(Box::default())), "it listens");
        for (at, kind) in told.into_iter().enumerate() {
            assert!(tell.send(event(at as u64 + 1, kind)), "it listens");
        }
        drop(tell);
        let (type_line, lines) = mpsc::unbounded_channel();
        let mut out = Vec::new();
        let linear = Linear { profiles: Vec::new(), cwd: "/v".into(), style: LineStyle::file() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            // What is typed is typed after everything was heard.
            let told = follow(link, commands, linear, lines, &mut out);
            tokio::pin!(told);
            for line in typed_lines {
                tokio::task::yield_now().await;
                type_line.send((*line).to_owned()).expect("listens");
            }
            told.await;
        });
        let mut commands = Vec::new();
        while let Ok(control) = asked.try_recv() {
            if let Control::Request(_, _, command) = control {
                commands.push(command);
            }
        }
        (String::from_utf8(out).expect("UTF-8"), commands)
    }

    #[test]
    fn typed_lines_become_commands_and_what_makes_no_sense_is_told() {
        let mut state = State::default();
        if let Update::Event(event) = event(1, queued(3, "/v/a.mp4")) {
            state.apply(&event);
        }
        let linear = Linear { profiles: Vec::new(), cwd: "/v".into(), style: LineStyle::file() };
        let read = |line: &str| linear.read(line, &state);
        assert_eq!(read("cancel 3"), Asked::Engine(Command::Cancel(JobId(3))));
        assert_eq!(read("  FIRST".trim_start()), Asked::Tell("no command is called `FIRST`; help lists them".to_owned()));
        assert_eq!(read("first #3"), Asked::Engine(Command::Move(JobId(3), MoveTo::First)));
        assert_eq!(read("add my film.mp4"), Asked::Engine(Command::enqueue(vec!["/v/my film.mp4".into()], None)));
        assert_eq!(read("add /x/y"), Asked::Engine(Command::enqueue(vec!["/x/y".into()], None)));
        assert_eq!(read("cancel 9"), Asked::Tell("there is no job 9; jobs lists them".to_owned()));
        assert_eq!(read("cancel"), Asked::Tell("cancel which job? Give its number, as in cancel 17".to_owned()));
        assert_eq!(read("profile x\u{1b}[2J"), Asked::Tell("no profile is called `x␛[2J`; profiles lists them".to_owned()));
        assert_eq!(read("quit"), Asked::Engine(Command::Shutdown));
        assert_eq!(read(""), Asked::Nothing);
        assert!(matches!(read("job 3"), Asked::Tell(text) if text.starts_with("job 3, a.mp4: queued\ninput /v/a.mp4, 1 MB")));
        assert!(
            matches!(read("status"), Asked::Tell(text) if text.ends_with("0 running, 1 waiting, 0 done, 0 failed, 0 rejected, 0 cancelled"))
        );
    }

    #[test]
    fn what_happens_is_told_in_lines_without_any_control_character_and_it_ends_with_the_last_job() {
        let add = Command::enqueue(vec!["/v/a.mp4".into()], None);
        let (out, asked) = play(&[], vec![add.clone()], vec![queued(1, "/v/a\u{1b}.mp4"), finished(1)]);
        assert!(out.contains("queued: 1 MB") && out.contains("done:"), "{out}");
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()) && !out.contains('│'), "{out:?}");
        assert_eq!(asked, [add, Command::Drain]);
        // With nothing given it waits for what is typed.
        let (_, asked) = play(&["clean"], Vec::new(), vec![queued(1, "/v/a.mp4"), finished(1)]);
        assert!(!asked.contains(&Command::Drain), "{asked:?}");
    }
}
