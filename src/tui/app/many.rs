//! Several jobs at once: marks, what is asked for all that is marked, and taking a deletion or a move back.

use std::path::PathBuf;

use super::{App, Ask, Mode, Question};
use crate::domain::command::{Command, JobRequest, MoveTo};
use crate::domain::event::EventKind;
use crate::domain::job::{Job, JobId, Phase, Rank};
use crate::tui::action::{Act, Effect};
use crate::tui::filter::Filter;

/// What can be taken back: filled by the events that follow the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undo {
    /// Jobs that were taken off the list.
    Removed(Vec<Removed>),
    /// The places that jobs had.
    Moved(Vec<(JobId, Rank)>),
}

/// A job that was taken off the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Removed {
    input: PathBuf,
    preset: String,
    /// It had ended: adding it again would run it.
    had_ended: bool,
}

impl App {
    /// How many jobs are marked.
    pub fn marks(&self) -> usize {
        self.marked.len()
    }

    /// This job is marked.
    pub fn is_marked(&self, id: JobId) -> bool {
        self.marked.contains(&id)
    }

    pub(super) fn mark(&mut self, act: Act) {
        if act == Act::MarkAll {
            if !self.marked.is_empty() {
                self.marked.clear();
                self.say("no job is marked".to_owned(), false);
                return;
            }
            let rows = self.rows();
            let all = std::iter::successors(rows.first(), |key| rows.after(*key)).map(|key| key.id);
            self.marked = all.collect();
            self.say(format!("{} marked", jobs(self.marked.len())), false);
            return;
        }
        let Some(id) = self.selected.filter(|id| self.rows().find(*id).is_some()) else {
            self.say("no job is selected: choose one with j and k".to_owned(), true);
            return;
        };
        if act == Act::Mark {
            if !self.marked.remove(&id) {
                self.marked.insert(id);
            }
            self.last_mark = Some(id);
            self.scroll_queue(1);
            return;
        }
        let rows = self.rows();
        let (Some(from), Some(to)) = (self.last_mark.and_then(|id| rows.find(id)), rows.find(id)) else {
            let key = self.key_label(Act::Mark);
            self.say(format!("mark one job first ({key}); all from there to the selected one are marked then"), true);
            return;
        };
        let (first, last) = (from.min(to), from.max(to));
        let range = std::iter::successors(Some(first), |key| rows.after(*key)).take_while(|key| *key <= last);
        let ids: Vec<JobId> = range.map(|key| key.id).collect();
        self.marked.extend(ids);
        self.last_mark = Some(id);
        self.say(format!("{} marked", jobs(self.marked.len())), false);
    }

    /// What is asked for all that is marked: of those that it applies to.
    pub(super) fn act_on_marked(&mut self, act: Act) -> Vec<Effect> {
        let running = |job: &Job| matches!(job.phase, Phase::Running { paused: false, .. });
        let pauses = self.marked.iter().filter_map(|id| self.state.jobs.get(id)).any(running);
        let (what, request) = match act {
            Act::PauseJob if pauses => ("pause", JobRequest::Pause),
            Act::PauseJob => ("resume", JobRequest::Resume),
            Act::Cancel => ("cancel", JobRequest::Cancel),
            Act::Retry => ("retry", JobRequest::Retry),
            Act::Allow => ("let in", JobRequest::Allow),
            Act::Remove => ("delete", JobRequest::Remove),
            Act::Later => ("move", JobRequest::Move(MoveTo::Later)),
            Act::Sooner => ("move", JobRequest::Move(MoveTo::Sooner)),
            Act::MoveFirst => ("move", JobRequest::Move(MoveTo::First)),
            Act::MoveLast => ("move", JobRequest::Move(MoveTo::Last)),
            _ => return Vec::new(),
        };
        let fits = |job: &&Job| applies(request, job);
        let ids: Vec<JobId> = self.marked.iter().filter_map(|id| self.state.jobs.get(id)).filter(fits).map(|job| job.id).collect();
        if ids.is_empty() {
            self.say(format!("{what}: nothing of what is marked can be; {} takes the marks away", self.key_label(Act::Back)), true);
            return Vec::new();
        }
        let count = ids.len();
        self.asked_about = ids;
        match request {
            JobRequest::Cancel => self.modes.push(Mode::Ask(Ask { question: Question::CancelMany(count), yes: false })),
            JobRequest::Remove => self.modes.push(Mode::Ask(Ask { question: Question::RemoveMany(count), yes: false })),
            _ => {
                self.say(format!("{what}: {}", jobs(count)), false);
                let command = self.each(request);
                self.begin_undo(&command);
                return vec![self.ask(what, command)];
            }
        }
        Vec::new()
    }

    /// The request for the jobs that were asked about.
    pub(super) fn each(&mut self, request: JobRequest) -> Command {
        // What is moved goes on being moved, and what was asked for is done once.
        if !matches!(request, JobRequest::Move(_)) {
            self.marked.clear();
        }
        Command::Each(std::mem::take(&mut self.asked_about), request)
    }

    pub(super) fn clear_finished(&mut self) -> Vec<Effect> {
        let ended = |id: &JobId| self.state.jobs.get(id).is_some_and(|job| applies(JobRequest::Remove, job));
        self.asked_about = self.state.index.ended.iter().map(|(_, id)| *id).filter(ended).collect();
        if self.asked_about.is_empty() {
            self.say("nothing has ended yet: there is nothing to clear".to_owned(), false);
        } else {
            let question = Question::ClearFinished(self.asked_about.len());
            self.modes.push(Mode::Ask(Ask { question, yes: false }));
        }
        Vec::new()
    }

    /// A deletion or a move is asked for: what it does can be taken back, and nothing that was before it.
    pub(super) fn begin_undo(&mut self, command: &Command) {
        match command {
            Command::Remove(_) | Command::Each(_, JobRequest::Remove) => self.undo = Some(Undo::Removed(Vec::new())),
            Command::Move(..) | Command::Each(_, JobRequest::Move(_)) => self.undo = Some(Undo::Moved(Vec::new())),
            _ => {}
        }
    }

    /// What an event takes away, before it does.
    pub(super) fn remember(&mut self, kind: &EventKind) {
        match (kind, &mut self.undo) {
            (EventKind::JobRemoved { job, .. }, Some(Undo::Removed(removed))) => {
                if let Some(job) = self.state.jobs.get(job) {
                    let had_ended = matches!(job.phase, Phase::Finished(_));
                    removed.push(Removed { input: job.input.clone(), preset: job.preset.clone(), had_ended });
                }
            }
            (EventKind::JobMoved { job, .. }, Some(Undo::Moved(moved))) => {
                let known = moved.iter().any(|(known, _)| known == job);
                if let (false, Some(known)) = (known, self.state.jobs.get(job)) {
                    moved.push((*job, known.rank));
                }
            }
            _ => {}
        }
    }

    pub(super) fn take_back(&mut self) -> Vec<Effect> {
        match self.undo.take() {
            Some(Undo::Moved(places)) if !places.is_empty() => vec![self.ask("undo the move", Command::Place(places))],
            Some(Undo::Removed(removed)) if !removed.is_empty() => {
                let (ended, waited): (Vec<Removed>, Vec<Removed>) = removed.into_iter().partition(|job| job.had_ended);
                if waited.is_empty() {
                    let add = self.key_label(Act::Add);
                    self.say(format!("what had ended is not put back; {add} adds its file and runs it anew"), true);
                    return Vec::new();
                }
                let more = if ended.is_empty() { String::new() } else { format!("; {} that had ended stay deleted", ended.len()) };
                self.say(format!("{} put back, at the end of the queue{more}", jobs(waited.len())), false);
                let mut presets: std::collections::BTreeMap<String, Vec<PathBuf>> = std::collections::BTreeMap::new();
                for job in waited {
                    presets.entry(job.preset).or_default().push(job.input);
                }
                let requests = presets.into_iter().map(|(preset, paths)| Command::Enqueue { paths, preset: Some(preset) });
                requests.map(|command| self.ask("undo the deletion", command)).collect()
            }
            _ => {
                self.say("there is no deletion and no move to take back".to_owned(), false);
                Vec::new()
            }
        }
    }

    /// The rows by the next column.
    pub(super) fn sort(&mut self) {
        let (text, order) = self.filter.as_ref().map_or_else(Default::default, |filter| (filter.text().to_owned(), filter.order()));
        let order = order.next();
        self.say(format!("sorted by {}", order.words()), false);
        let filter = Filter::ordered(text, order, self.shown());
        self.filter = (!filter.is_idle()).then_some(filter);
    }
}

/// The engine would do this with a job that stands like that.
fn applies(request: JobRequest, job: &Job) -> bool {
    match request {
        JobRequest::Cancel => !job.phase.is_terminal(),
        JobRequest::Retry => match &job.phase {
            Phase::Finished(finished) => !finished.outcome.is_success(),
            Phase::Rejected(why) => why.limit.is_none(),
            phase => matches!(phase, Phase::Backoff { .. }),
        },
        JobRequest::Allow => matches!(&job.phase, Phase::Rejected(why) if why.limit.is_some()),
        JobRequest::Remove => !job.phase.holds_slot(),
        JobRequest::Pause => matches!(job.phase, Phase::Running { paused: false, .. }),
        JobRequest::Resume => matches!(job.phase, Phase::Running { paused: true, .. }),
        JobRequest::Move(_) => matches!(job.phase, Phase::Queued),
    }
}

/// `1 job`, `12 jobs`.
fn jobs(count: usize) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}
