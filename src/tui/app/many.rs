//! Several jobs at once: marks, and what is asked for all that is marked.

use std::collections::BTreeSet;

use crate::domain::command::{Command, JobRequest, MoveTo};
use crate::domain::job::{Job, JobId, Phase};
use crate::domain::text::many;
use crate::tui::app::{App, Ask, Mode, Question, shown};
use crate::tui::input::action::{Act, Effect};
use crate::tui::pages::Page;

impl App {
    /// How many jobs are marked, and how many of them the filter hides.
    pub fn marks(&self) -> (usize, usize) {
        let count = self.queue.marked.len();
        // Without a filter nothing is hidden; there may be very many marks.
        (count, if self.queue.filter.is_some() { count - self.marked_in_sight().count() } else { 0 })
    }

    /// This job is marked.
    pub fn is_marked(&self, id: JobId) -> bool {
        self.queue.marked.contains(&id)
    }

    pub(super) fn mark(&mut self, act: Act) {
        let shown = shown(self.frozen.as_deref(), &self.state);
        if act == Act::MarkAll {
            self.queue.mark_all(shown);
            if self.queue.marked.is_empty() {
                self.say("no job is marked".to_owned(), false);
            } else {
                self.say_marked();
            }
            return;
        }
        let Some(id) = self.queue.selected.filter(|id| self.queue.rows(shown).find(*id).is_some()) else {
            self.say(self.no_job_is_selected(), true);
            return;
        };
        if act == Act::Mark {
            self.queue.mark(id);
            self.scroll_queue(1);
        } else if self.queue.mark_to(shown, id) {
            self.say_marked();
        } else {
            let key = self.key_label(Act::Mark);
            self.say(format!("mark one job first ({key}); all from there to the selected one are marked then"), true);
        }
    }

    fn say_marked(&mut self) {
        self.say(format!("{} marked", jobs(self.queue.marked.len())), false);
    }

    /// Keys act on what is marked; on the page of a job they act on that job alone, for no mark is seen there.
    pub(super) fn acts_on_marks(&self) -> bool {
        !self.queue.marked.is_empty() && self.page != Page::Job
    }

    /// The marked jobs that the filter lets through: nothing is done to what it hides, also where the list is not on the screen.
    pub(super) fn marked_in_sight(&self) -> impl Iterator<Item = &Job> {
        let rows = self.rows();
        let is_shown = move |id: &&JobId| rows.find(**id).is_some();
        self.queue.marked.iter().filter(is_shown).filter_map(|id| self.state.jobs.get(id))
    }

    /// What is asked for all that is marked and shown: of those that it applies to.
    pub(super) fn act_on_marked(&mut self, act: Act) -> Vec<Effect> {
        let pauses = self.marked_in_sight().any(|job| applies(JobRequest::Pause, job));
        let (what, done, request) = match act {
            Act::PauseJob if pauses => ("pause", "paused:", JobRequest::Pause),
            Act::PauseJob => ("resume", "resumed:", JobRequest::Resume),
            Act::Cancel => ("cancel", "cancelled:", JobRequest::Cancel),
            Act::Retry => ("retry", "queued again:", JobRequest::Retry),
            Act::Allow => ("let in", "let in:", JobRequest::Allow),
            Act::Remove => ("delete", "deleted:", JobRequest::Remove),
            Act::Later => ("move", "moved:", JobRequest::Move(MoveTo::Later)),
            Act::Sooner => ("move", "moved:", JobRequest::Move(MoveTo::Sooner)),
            Act::MoveFirst => ("move", "moved:", JobRequest::Move(MoveTo::First)),
            Act::MoveLast => ("move", "moved:", JobRequest::Move(MoveTo::Last)),
            _ => return Vec::new(),
        };
        let ids: Vec<JobId> = self.marked_in_sight().filter(|job| applies(request, job)).map(|job| job.id).collect();
        if ids.is_empty() {
            let back = self.key_label(Act::Back);
            let (marked, hidden) = self.marks();
            let why = if marked == hidden {
                format!("{} marked, and the filter hides {}", are(marked), if marked == 1 { "it" } else { "all of them" })
            } else {
                "no marked job is in a state for that".to_owned()
            };
            let first = if self.hides_every_row() { "clears the filter" } else { "takes the marks away" };
            self.say(format!("{what}: {why}; {back} {first}"), true);
            return Vec::new();
        }
        let count = ids.len();
        self.asked_about = ids;
        match request {
            JobRequest::Cancel => self.modes.push(Mode::Ask(Ask { question: Question::CancelMany(count), yes: false })),
            JobRequest::Remove => self.modes.push(Mode::Ask(Ask { question: Question::RemoveMany(count), yes: false })),
            _ => {
                let command = self.each_marked(request);
                let effect = self.ask_undoable(what, command);
                self.promise(&effect, format!("{done} {}", jobs(count)));
                return vec![effect];
            }
        }
        Vec::new()
    }

    /// The request for the jobs that were asked about, whether they are marked or not. No mark is changed.
    pub(super) fn each_asked(&mut self, request: JobRequest) -> Command {
        Command::Each(std::mem::take(&mut self.asked_about), request)
    }

    /// The request for the marked jobs that were asked about.
    pub(super) fn each_marked(&mut self, request: JobRequest) -> Command {
        // What is moved goes on being moved, and what was asked for is done once. The filter's hidden marks stay.
        if !matches!(request, JobRequest::Move(_)) {
            let shown: BTreeSet<JobId> = self.marked_in_sight().map(|job| job.id).collect();
            self.queue.marked = &self.queue.marked - &shown;
        }
        self.each_asked(request)
    }

    pub(super) fn clear_finished(&mut self) -> Vec<Effect> {
        let ended = |id: &JobId| self.state.jobs.get(id).is_some_and(|job| applies(JobRequest::Remove, job));
        self.asked_about = self.state.index.ended.iter().map(|(_, id)| *id).filter(ended).collect();
        if self.asked_about.is_empty() {
            // Of very many that have ended the latest alone are listed.
            let why = if self.state.ended() > 0 { "nothing that has ended is on the list" } else { "nothing has ended yet" };
            self.note(format!("{why}: there is nothing to clear"));
        } else {
            let question = Question::ClearFinished(self.asked_about.len());
            self.modes.push(Mode::Ask(Ask { question, yes: false }));
        }
        Vec::new()
    }

    /// The rows by the next column.
    pub(super) fn sort(&mut self) {
        let words = self.queue.sort(shown(self.frozen.as_deref(), &self.state));
        self.say(format!("sorted by {words}"), false);
    }
}

/// The engine would do this with a job that stands like that.
pub(in crate::tui) fn applies(request: JobRequest, job: &Job) -> bool {
    match request {
        JobRequest::Cancel => !job.phase.is_terminal(),
        JobRequest::Retry => match &job.phase {
            Phase::Finished(finished) => !finished.outcome.is_success(),
            Phase::Rejected(_) => !job.phase.is_too_large(),
            phase => matches!(phase, Phase::Backoff { .. }),
        },
        JobRequest::Allow => job.phase.is_too_large(),
        JobRequest::Remove => !job.phase.holds_slot(),
        // One that the governor has stopped is taken over by a pause. Letting it go on is not for the operator.
        JobRequest::Pause => matches!(job.phase, Phase::Running { .. }) && !job.phase.is_paused_by_operator(),
        JobRequest::Resume => job.phase.is_paused_by_operator(),
        JobRequest::Move(_) => matches!(job.phase, Phase::Queued),
    }
}

/// `1 job is`, `12 jobs are`.
pub(super) fn are(count: usize) -> String {
    format!("{} {}", jobs(count), if count == 1 { "is" } else { "are" })
}

/// `1 job`, `12 jobs`.
pub(super) fn jobs(count: usize) -> String {
    many(count as u64, "job")
}
