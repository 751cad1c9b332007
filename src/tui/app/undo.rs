//! Taking deletions and moves back, the latest first. A cancel is kept among them, for the answer that it cannot be.

use crate::domain::command::{Command, JobRequest, RequestId};
use crate::domain::event::EventKind;
use crate::domain::job::{JobId, Phase, Rank};
use crate::tui::app::App;
use crate::tui::app::many::jobs;
use crate::tui::input::action::{Act, Effect};

/// Steps that can be taken back; the oldest goes first.
const STEPS: usize = 20;

/// A deletion, a move or a cancel: filled by the events that follow the request, until that is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    request: RequestId,
    /// The request is answered: later events are none of its own.
    is_closed: bool,
    /// Which jobs it was asked for, in words.
    about: String,
    did: Did,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Did {
    /// Jobs that were taken off the list.
    Removed(Vec<Removed>),
    /// The places that jobs had.
    Moved(Vec<(JobId, Rank)>),
    /// What was made so far is gone.
    Cancelled,
}

/// A job that was taken off the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Removed {
    /// It had ended: putting it back would run it.
    had_ended: bool,
    id: JobId,
    /// The place that it had.
    rank: Rank,
    /// Who waited behind it.
    next: Option<JobId>,
}

impl Step {
    const fn is_empty(&self) -> bool {
        match &self.did {
            Did::Removed(removed) => removed.is_empty(),
            Did::Moved(places) => places.is_empty(),
            Did::Cancelled => false,
        }
    }
}

impl App {
    /// Asks the engine as [`App::ask`] does; what a deletion or a move does can be taken back afterwards.
    pub(super) fn ask_undoable(&mut self, what: impl Into<String>, command: Command) -> Effect {
        let step = match &command {
            Command::Remove(id) => Some((format!("#{id}"), Did::Removed(Vec::new()))),
            Command::Move(id, _) => Some((format!("#{id}"), Did::Moved(Vec::new()))),
            Command::Cancel(id) => Some((format!("#{id}"), Did::Cancelled)),
            Command::Each(ids, JobRequest::Cancel) => Some((jobs(ids.len()), Did::Cancelled)),
            Command::Each(ids, JobRequest::Remove) => Some((jobs(ids.len()), Did::Removed(Vec::new()))),
            Command::Each(ids, JobRequest::Move(_)) => Some((jobs(ids.len()), Did::Moved(Vec::new()))),
            _ => None,
        };
        let done = self.done_words(&command);
        let effect = self.ask(what, command);
        if let Some(done) = done {
            self.promise(&effect, done);
        }
        if let (Some((about, did)), Effect::Send(request, _)) = (step, &effect) {
            self.undo.retain(|step| !step.is_closed || !step.is_empty());
            while self.undo.len() >= STEPS {
                self.undo.pop_front();
            }
            self.undo.push_back(Step { request: *request, is_closed: false, about, did });
        }
        effect
    }

    /// The job has ended, or is not there: taken off the list it cannot be put back.
    pub(in crate::tui) fn had_ended(&self, id: JobId) -> bool {
        self.state.jobs.get(&id).is_none_or(|job| matches!(job.phase, Phase::Finished(_)))
    }

    /// A request is answered: the engine tells what it does before that.
    pub(super) fn close_step(&mut self, request: RequestId, is_done: bool) {
        self.undo.retain(|step| is_done || step.request != request || step.did != Did::Cancelled);
        if let Some(step) = self.undo.iter_mut().find(|step| step.request == request) {
            step.is_closed = true;
        }
    }

    /// What an event takes away, before it does. Requests are carried out in their order.
    pub(super) fn remember(&mut self, kind: &EventKind) {
        let Some(step) = self.undo.iter_mut().find(|step| !step.is_closed) else { return };
        match (kind, &mut step.did) {
            (EventKind::JobRemoved { job, .. }, Did::Removed(removed)) => {
                if let Some(job) = self.state.jobs.get(job) {
                    let had_ended = matches!(job.phase, Phase::Finished(_));
                    let (id, rank) = (job.id, job.rank);
                    let next = self.state.index.waiting.range((rank, JobId(id.0 + 1))..).next().map(|(_, next)| *next);
                    removed.push(Removed { had_ended, id, rank, next });
                }
            }
            (EventKind::JobMoved { job, .. }, Did::Moved(moved)) => {
                let known = moved.iter().any(|(known, _)| known == job);
                if let (false, Some(known)) = (known, self.state.jobs.get(job)) {
                    moved.push((*job, known.rank));
                }
            }
            _ => {}
        }
    }

    /// Takes the latest step back that is not taken back yet.
    pub(super) fn take_back(&mut self) -> Vec<Effect> {
        while self.undo.back().is_some_and(Step::is_empty) {
            self.undo.pop_back();
        }
        let Some(step) = self.undo.pop_back() else {
            self.note("there is no deletion and no move to take back".to_owned());
            return Vec::new();
        };
        let before = self.undo.iter().filter(|step| !step.is_empty()).count();
        let more = match before {
            0 => String::new(),
            more => format!("; {} takes back {more} more", self.key_label(Act::Undo)),
        };
        match step.did {
            Did::Moved(places) => {
                let effect = self.ask("undo the move", Command::Place(places));
                self.promise(&effect, format!("taken back: the move of {}{more}", step.about));
                vec![effect]
            }
            Did::Removed(removed) => self.put_back(removed, &step.about, &more),
            Did::Cancelled => {
                let retry = self.key_label(Act::Retry);
                self.note(format!("the cancel of {} cannot be taken back; {retry} runs a job from its start{more}", step.about));
                Vec::new()
            }
        }
    }

    fn put_back(&mut self, removed: Vec<Removed>, about: &str, more: &str) -> Vec<Effect> {
        let (ended, waited): (Vec<Removed>, Vec<Removed>) = removed.into_iter().partition(|job| job.had_ended);
        if waited.is_empty() {
            let add = self.key_label(Act::Add);
            let (is, file) = if ended.len() == 1 { ("is", "its file") } else { ("are", "their files") };
            self.say(format!("{about} had ended and {is} not put back; {add} adds {file} again{more}"), true);
            return Vec::new();
        }
        let stay = if ended.is_empty() { String::new() } else { format!(", {} that had ended stay deleted", ended.len()) };
        let told = format!(
            "taken back: the deletion of {about}: {} at {} old place again{stay}{more}",
            jobs(waited.len()),
            if waited.len() == 1 { "its" } else { "their" }
        );
        let jobs = self.places(waited).into_iter().map(|(job, place)| (job.id, place)).collect();
        let effect = self.ask("undo the deletion", Command::PutBack(jobs));
        self.promise(&effect, told);
        vec![effect]
    }

    /// Where jobs that were taken off the list belong: at the rank that they had, or before whoever stood behind them where
    /// that one has moved since.
    fn places(&self, mut removed: Vec<Removed>) -> Vec<(Removed, Rank)> {
        let waiting = &self.state.index.waiting;
        removed.sort_by_key(|job| (job.rank, job.id));
        let mut placed: Vec<(Removed, Rank)> = Vec::new();
        // From the last on: whoever stood behind one may come back himself.
        for job in removed.into_iter().rev() {
            let behind = placed.iter().find(|(other, _)| Some(other.id) == job.next).map(|(_, place)| *place);
            let still = job.next.and_then(|next| self.state.jobs.get(&next)).filter(|next| next.phase == Phase::Queued);
            let place = match behind.or(still.map(|next| next.rank)) {
                Some(next) if next <= job.rank || waiting.range((job.rank, JobId(0))..(next, JobId(0))).next().is_some() => {
                    next - 1
                }
                _ => job.rank,
            };
            placed.push((job, place));
        }
        placed.reverse();
        placed
    }
}
