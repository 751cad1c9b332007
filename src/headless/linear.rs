//! The linear mode: one line for whatever happens, and commands typed as lines. No frames, no drawing characters, nothing is
//! ever drawn again: for screen readers, and for terminals that can do no more.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::TOLD_KEPT;
use super::lines::{LineStyle, Lines};
use crate::domain::command::{Answer, Command, MoveTo, RequestId};
use crate::domain::event::EventKind;
use crate::domain::job::JobId;
use crate::domain::profile::Profile;
use crate::domain::state::State;
use crate::domain::text::{many, sanitise};
use crate::domain::time::span_words;
use crate::runtime::link::{LineNews, LineStatus, Link, StartServer, Update, aside};

/// Longest line that is taken.
const MOST_TYPED: u64 = 16 << 10;
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
uncompare         end a comparison that has the machine
quit, leave       leave it running; plimsoll attach comes back
drain, undrain    end after what is queued, take that back
start             start the server again, where it has gone
stop              end the server now; what runs is stopped and stays queued. Twice ends at once";

/// What the linear mode needs to know.
pub struct Linear {
    /// The profiles that can be switched to.
    pub profiles: Vec<Profile>,
    /// The folder that typed paths start from.
    pub cwd: PathBuf,
    /// How lines are written.
    pub style: LineStyle,
    /// Ends once what was asked first is done, and so is everything else.
    pub until_done: bool,
    /// Leaving it ends what it shows.
    pub ends_it: bool,
    /// Starts the server again that has gone.
    pub start_server: Option<StartServer>,
    /// Ends a comparison under way.
    pub stop_comparison: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// What is asked of it.
pub struct Asking {
    /// Asked first, in order.
    pub commands: Vec<Command>,
    /// The lines that are typed.
    pub typed: mpsc::UnboundedReceiver<String>,
    /// The signals that end it.
    pub signals: mpsc::UnboundedReceiver<i32>,
}

/// How it was left.
#[derive(Debug)]
pub struct Left {
    /// What was known then.
    pub state: State,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Something of what was asked first was refused.
    pub is_refused: bool,
    /// How the line to the engine stood.
    pub line: LineStatus,
}

/// What a typed line asks for.
#[derive(Debug, Clone, PartialEq)]
enum Asked {
    /// Something to be told at once.
    Tell(String),
    /// Something of the engine.
    Engine(Command),
    /// To be left.
    Leave,
    /// The server, again.
    Start,
    /// The end of the comparison under way.
    Uncompare,
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

/// Follows a run, telling every event and doing what is typed, until it is left, a signal comes, or the run is over. The
/// commands given are asked first.
pub async fn follow(mut link: Link, asking: Asking, linear: Linear, mut out: impl Write) -> Left {
    let Asking { commands, mut typed, mut signals } = asking;
    let mut left = Left { state: State::default(), signal: None, is_refused: false, line: LineStatus::default() };
    let mut lines = Lines::default();
    let mut told = BTreeSet::new();
    let (mut number, mut open, mut is_told, mut leaving) = (0, true, false, false);
    // What was asked and has no answer, each with the job that it moves.
    let mut pending = BTreeMap::new();
    let mut ask = |pending: &mut BTreeMap<u64, Option<JobId>>, link: &Link, command| {
        number += 1;
        pending.insert(number, if let Command::Move(job, _) = &command { Some(*job) } else { None });
        let _ = link.requests.send(RequestId(number), command);
    };
    let given = commands.len() as u64;
    let mut wanted = Wanted { unanswered: given, to_come: given == 0 };
    for command in commands {
        ask(&mut pending, &link, command);
    }
    print(&mut out, "linear mode: type a command and enter; help lists them");
    loop {
        tokio::select! {
            biased;
            Some(signal) = signals.recv() => {
                left.signal = Some(signal);
                return left;
            }
            // What is asked is asked of what is known.
            line = typed.recv(), if open && is_told => match line.map(|line| linear.read(&line, &left.state)) {
                Some(Asked::Tell(text)) => print(&mut out, &text),
                Some(Asked::Engine(command)) => ask(&mut pending, &link, command),
                Some(Asked::Nothing) => {}
                Some(Asked::Start) => print(&mut out, &link.updates.meanwhile(start(&linear)).await),
                Some(Asked::Uncompare) => print(&mut out, &link.updates.meanwhile(uncompare(&linear)).await),
                // Nobody can type any more: what is queued still runs.
                None if !linear.ends_it => break,
                // What it shows cannot be asked to end over a line that is cut.
                Some(Asked::Leave) if !linear.ends_it || left.line.is_lost() => break,
                Some(Asked::Leave) => ask(&mut pending, &link, Command::Shutdown),
                None => open = false,
            },
            update = link.updates.recv() => match update {
                None => return left,
                Some(Update::Snapshot(snapshot)) => {
                    lines.learn(&snapshot);
                    is_told = true;
                    left.state = *snapshot;
                    wanted.to_come &= left.state.jobs.is_empty();
                }
                Some(Update::Event(event)) => {
                    left.state.apply(&event);
                    wanted.to_come &= !matches!(event.kind, EventKind::JobQueued { .. });
                    told.extend(event.kind.trouble().filter(|_| told.len() < TOLD_KEPT));
                    for line in lines.of(&event) {
                        print(&mut out, &linear.style.render(&line));
                    }
                }
                Some(Update::Retold(retold)) => {
                    left.state = retold.state();
                    is_told = true;
                    lines.learn(&left.state);
                }
                Some(Update::Reply(RequestId(id), answer)) => {
                    let moved = pending.remove(&id).flatten().filter(|_| answer.is_ok());
                    if id <= given {
                        left.is_refused |= answer.is_err();
                        wanted.take(answer.as_ref().ok(), &left.state);
                    }
                    // Its place is told by no event that has a line.
                    if let Some(job) = moved {
                        print(&mut out, &left.state.moved_words(job));
                    }
                    if let Some(later) = answer.as_ref().ok().and_then(|answer| answer.later.as_ref()) {
                        print(&mut out, &format!("{later}; uncompare ends it"));
                    }
                    // What an event has told already is told once.
                    if let Some(rejection) = answer.err().filter(|rejection| !told.remove(&rejection.why)) {
                        print(&mut out, &format!("refused: {rejection}"));
                    }
                }
                Some(Update::Line(news)) => {
                    left.line.on_news(&news);
                    // Asked of a server that has gone, it is asked again of the one that answers.
                    leaving &= !matches!(news, LineNews::Back { .. });
                    print_news(&mut out, news);
                }
                Some(Update::Playing(_)) => {}
            },
        }
        let is_over = left.state.summary.is_some();
        let is_done = linear.until_done && wanted.is_done(&left.state);
        // Nobody is there who does what is left to do, and nobody who could start a server again.
        if linear.ends_it && left.line == LineStatus::Gone && (is_done || !open) {
            break;
        }
        let may_ask = is_done && linear.ends_it && !is_over && !left.line.is_lost();
        if may_ask && !std::mem::replace(&mut leaving, true) {
            ask(&mut pending, &link, Command::Shutdown);
        } else if is_done && !linear.ends_it && !is_over {
            break;
        }
    }
    // What was asked in the same moment is on its way before the line is given up.
    let answered = async {
        while !pending.is_empty() {
            let Some(update) = link.updates.recv().await else { return };
            if let Update::Reply(RequestId(id), _) = update {
                pending.remove(&id);
            }
        }
    };
    let _ = tokio::time::timeout(GOODBYE, answered).await;
    left
}

/// Longest wait for the answers to what was asked when it is left.
const GOODBYE: Duration = Duration::from_secs(3);

/// What was asked first, as far as it decides when all is done.
struct Wanted {
    /// So many requests have no answer yet.
    unanswered: u64,
    /// Jobs are to be done that are not listed yet.
    to_come: bool,
}

impl Wanted {
    /// The answer to one of the requests; `None` = it was refused.
    fn take(&mut self, answer: Option<&Answer>, state: &State) {
        self.unanswered = self.unanswered.saturating_sub(1);
        // They are in the store; the page that lists them is on its way.
        let has_more = answer.and_then(|answer| answer.queued).is_some_and(|queued| queued.jobs > 0);
        self.to_come |= has_more && state.unended() == 0;
    }

    fn is_done(&self, state: &State) -> bool {
        self.unanswered == 0 && !self.to_come && state.unended() == 0
    }
}

/// Ends the comparison under way, which the server is asked for; what is told of it.
async fn uncompare(linear: &Linear) -> String {
    let Some(stop) = linear.stop_comparison.clone() else { return "it cannot be ended from here".to_owned() };
    aside("compare", move || stop()).await;
    "the comparison is being ended".to_owned()
}

/// Starts the server again; what came of it.
async fn start(linear: &Linear) -> String {
    let Some(start) = linear.start_server.clone() else { return "it cannot be started from here".to_owned() };
    match aside("server", move || start()).await {
        Some(Ok(())) => "the server is started".to_owned(),
        Some(Err(why)) => format!("the server cannot be started: {why}"),
        None => "the server cannot be started".to_owned(),
    }
}

fn print_news(out: &mut impl Write, news: LineNews) {
    let text = match news {
        LineNews::Attached(consoles) => match consoles.iter().filter(|console| !console.own).count() as u64 {
            0 => return,
            others => format!("{} attached too", many(others, "console")),
        },
        LineNews::Did { who, what } => format!("{what}: {who}"),
        LineNews::Lost { why, gone: true, .. } => format!("{why}; start starts it again, leave leaves"),
        LineNews::Lost { why, again_in, .. } => {
            let why = if why.is_empty() { "the line to the server is cut" } else { &why };
            format!("{why}; trying again in {}", span_words(again_in))
        }
        LineNews::Back { .. } => "the line to the server is there again".to_owned(),
    };
    print(out, &text);
}

fn print(out: &mut impl Write, text: &str) {
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
            "status" => return Asked::Tell(words::status(state)),
            "jobs" => return Asked::Tell(words::jobs(state, rest == "all")),
            "warnings" => return Asked::Tell(words::warnings(state)),
            "profiles" => return Asked::Tell(self.list_profiles(state)),
            "profile" if rest.is_empty() => {
                return Asked::Tell("profile which? Give its name; profiles lists them".to_owned());
            }
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
            "stop" => Command::Shutdown,
            "leave" | "quit" | "exit" => return Asked::Leave,
            "uncompare" if state.comparison.is_none() => return Asked::Tell("no comparison is under way".to_owned()),
            "uncompare" => return Asked::Uncompare,
            "start" => return Asked::Start,
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
        "job" => return Asked::Tell(words::job(known, state)),
        "log" => return Asked::Tell(words::log(id, state)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::command::{ClientId, Queued};
    use crate::domain::event::{Event, Seq};
    use crate::domain::job::Outcome;
    use crate::domain::time::{Mono, Wall};
    use crate::domain::units::Bytes;
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

    fn linear(until_done: bool) -> Linear {
        let style = LineStyle::file();
        Linear {
            profiles: Vec::new(),
            cwd: "/v".into(),
            style,
            until_done,
            ends_it: false,
            start_server: None,
            stop_comparison: None,
        }
    }

    /// Runs it against a made-up engine, which tells all this and ends unless it `stays`; returns what was written, what was
    /// asked, and how it was left.
    fn play(
        typed_lines: &[&str],
        commands: Vec<Command>,
        told: Vec<Update>,
        how: Linear,
        stays: bool,
    ) -> (String, Vec<Command>, Left) {
        let (control, mut asked) = mpsc::unbounded_channel();
        let link = Link::attach(ClientId(1), control);
        let Ok(Control::Attach(_, tell)) = asked.try_recv() else { panic!("it attaches itself") };
        assert!(tell.send(Update::Snapshot(Box::default())), "it listens");
        for update in told {
            assert!(tell.send(update), "it listens");
        }
        let tell = stays.then_some(tell);
        let (type_line, lines) = mpsc::unbounded_channel();
        let mut type_line = Some(type_line);
        let (_nobody, signals) = mpsc::unbounded_channel();
        let mut out = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let left = runtime.block_on(async {
            // What is typed is typed after everything was heard.
            let typing = async {
                for line in typed_lines {
                    tokio::task::yield_now().await;
                    if *line == "^d" {
                        type_line = None;
                    }
                    let _ = type_line.as_ref().map(|type_line| type_line.send((*line).to_owned()));
                }
            };
            let following = follow(link, Asking { commands, typed: lines, signals }, how, &mut out);
            let both = async { tokio::join!(following, typing).0 };
            tokio::time::timeout(Duration::from_secs(20), both).await.expect("it is left")
        });
        drop((tell, type_line));
        let mut commands = Vec::new();
        while let Ok(control) = asked.try_recv() {
            if let Control::Request(_, _, command) = control {
                commands.push(command);
            }
        }
        (String::from_utf8(out).expect("UTF-8"), commands, left)
    }

    #[test]
    fn typed_lines_become_commands_and_what_makes_no_sense_is_told() {
        let mut state = State::default();
        if let Update::Event(event) = event(1, queued(3, "/v/a.mp4")) {
            state.apply(&event);
        }
        let linear = linear(true);
        let read = |line: &str| linear.read(line, &state);
        assert_eq!(read("cancel 3"), Asked::Engine(Command::Cancel(JobId(3))));
        assert_eq!(read("  FIRST".trim_start()), Asked::Tell("no command is called `FIRST`; help lists them".to_owned()));
        assert_eq!(read("first #3"), Asked::Engine(Command::Move(JobId(3), MoveTo::First)));
        assert_eq!(read("add my film.mp4"), Asked::Engine(Command::enqueue(vec!["/v/my film.mp4".into()], None)));
        assert_eq!(read("add /x/y"), Asked::Engine(Command::enqueue(vec!["/x/y".into()], None)));
        assert_eq!(read("cancel 9"), Asked::Tell("there is no job 9; jobs lists them".to_owned()));
        assert_eq!(read("cancel"), Asked::Tell("cancel which job? Give its number, as in cancel 17".to_owned()));
        assert_eq!(read("profile x\u{1b}[2J"), Asked::Tell("no profile is called `x␛[2J`; profiles lists them".to_owned()));
        assert_eq!(read("profile"), Asked::Tell("profile which? Give its name; profiles lists them".to_owned()));
        for leaves in ["quit", "exit", "leave"] {
            assert_eq!(read(leaves), Asked::Leave, "jobs at work are not ended by it");
        }
        assert_eq!(read("stop"), Asked::Engine(Command::Shutdown));
        assert!(HELP.contains("quit, leave       leave it running") && HELP.contains("stop              end the server now"));
        assert_eq!(read(""), Asked::Nothing);
        assert!(matches!(read("job 3"), Asked::Tell(text) if text.starts_with("job 3, a.mp4: queued\ninput /v/a.mp4, 1 MB")));
        assert!(matches!(read("status"), Asked::Tell(text) if text.ends_with("this run: 1 queued, 0 running")));
    }

    /// A film that was queued and is done.
    fn one_film(name: &str) -> Vec<Update> {
        let answer = Answer { queued: Some(Queued { batch: 1, jobs: 1, known: 0 }), later: None };
        // It is in the store before it is listed.
        vec![Update::Reply(RequestId(1), Ok(answer)), event(1, queued(1, name)), event(2, finished(1))]
    }

    #[test]
    fn what_happens_is_told_in_lines_without_any_control_character_and_it_is_left_with_the_last_job() {
        let add = Command::enqueue(vec!["/v/a.mp4".into()], None);
        // The engine stays: it is for the next window.
        let (out, asked, left) = play(&[], vec![add.clone()], one_film("/v/a\u{1b}.mp4"), linear(true), true);
        assert!(out.contains("queued: 1 MB") && out.contains("done:"), "{out}");
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()) && !out.contains('│'), "{out:?}");
        assert_eq!(asked, std::slice::from_ref(&add));
        assert!(left.state.job_counts().done == 1 && !left.is_refused, "{left:?}");
        // What is shown for it alone is ended.
        let ends_it = Linear { ends_it: true, ..linear(true) };
        let (_, asked, _) = play(&[], vec![add.clone()], one_film("/v/a.mp4"), ends_it, false);
        assert_eq!(asked, [add.clone(), Command::Shutdown]);
        // With nothing given it waits for what is typed.
        let (_, asked, left) = play(&["leave"], Vec::new(), one_film("/v/a.mp4"), linear(false), true);
        assert!(asked.is_empty(), "{asked:?}");
        assert_eq!(left.signal, None);
        let refused = Update::Reply(RequestId(1), Err(crate::domain::refusal::Refusal::Other.because("no video".to_owned())));
        let (out, _, left) = play(&[], vec![add], vec![refused], linear(true), true);
        assert!(left.is_refused && out.contains("refused: no video"), "{out}");
    }

    #[test]
    fn a_drain_its_end_and_a_move_are_told() {
        let moved = EventKind::JobMoved { job: JobId(2), rank: 0 };
        let events = [queued(1, "/v/a.mp4"), queued(2, "/v/b.mp4"), EventKind::DrainStarted, EventKind::DrainStopped, moved];
        let mut told: Vec<Update> = (1..).zip(events).map(|(seq, kind)| event(seq, kind)).collect();
        told.push(Update::Reply(RequestId(1), Ok(Answer::default())));
        let (out, ..) = play(&["leave"], vec![Command::Move(JobId(2), MoveTo::First)], told, linear(false), true);
        for words in ["draining: takes nothing new", "draining no more: takes new", "moved #2: it is the 1st of those that wait"] {
            assert!(out.contains(words), "{words} is missing in {out}");
        }
    }

    #[test]
    fn a_line_that_is_cut_is_told_and_the_server_can_be_started_again() {
        let lost = |gone, why: &str| Update::Line(LineNews::Lost { why: why.to_owned(), again_in: Duration::from_secs(4), gone });
        let news = vec![lost(false, ""), lost(true, "no plimsoll works on /s"), Update::Line(LineNews::Back { anew: true })];
        let starts = Linear { start_server: Some(Arc::new(|| Ok(()))), ..linear(false) };
        let (out, asked, _) = play(&["start", "leave"], Vec::new(), news, starts, true);
        for words in ["is cut; trying again in 4", "start starts it again", "is there again", "the server is started"] {
            assert!(out.contains(words), "{words} is missing in {out}");
        }
        assert!(asked.is_empty());
        let (out, ..) = play(&["start", "leave"], Vec::new(), Vec::new(), linear(false), true);
        assert!(out.contains("it cannot be started from here"), "{out}");
    }

    #[test]
    fn a_demo_whose_server_has_gone_is_left_without_asking_anybody() {
        let gone = || Update::Line(LineNews::Lost { why: "it has gone".to_owned(), again_in: Duration::from_secs(4), gone: true });
        let demo = || Linear { ends_it: true, ..linear(false) };
        for typed in ["leave", "quit", "^d"] {
            let (_, asked, left) = play(&[typed], Vec::new(), vec![gone()], demo(), true);
            assert!(asked.is_empty(), "{typed}: {asked:?}");
            assert_eq!(left.line, LineStatus::Gone, "{typed}");
        }
        // With the last job done nobody is left who could be asked to end it.
        let mut told = one_film("/v/a.mp4");
        told.insert(1, gone());
        let add = Command::enqueue(vec!["/v/a.mp4".into()], None);
        let (_, asked, _) = play(&["^d"], vec![add.clone()], told, Linear { until_done: true, ..demo() }, true);
        assert_eq!(asked, [add]);
    }
}
