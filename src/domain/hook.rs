//! Commands of the operator's that a server runs when something happens, and what happens for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::event::{Event, EventKind};
use super::job::{JobId, Outcome};
use super::text::path_text;

/// What a command can be run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// A job is done: its output is in place.
    OnDone,
    /// A job has ended otherwise, and was not cancelled.
    OnFailed,
    /// Nothing is at work and nothing waits any more.
    OnIdle,
    /// A warning sign is seen that was not seen before.
    OnWarning,
}

impl Hook {
    /// Its name in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnDone => "on_done",
            Self::OnFailed => "on_failed",
            Self::OnIdle => "on_idle",
            Self::OnWarning => "on_warning",
        }
    }
}

/// What is done for a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookAction {
    /// A program with its arguments, never empty.
    Command(Vec<String>),
    /// The address that the event is posted to.
    Url(String),
}

/// What is done for each hook.
pub type Hooks = BTreeMap<Hook, HookAction>;

/// Tells from the events what commands are run for.
#[derive(Debug, Default)]
pub struct HookWatch {
    /// Jobs that wait or are at work, with their inputs.
    open: BTreeMap<JobId, PathBuf>,
    /// Jobs that wait beyond those that are listed.
    beyond: u64,
    warnings: BTreeSet<String>,
    /// A job has ended since it was last idle.
    has_worked: bool,
}

/// What a command reads on its standard input: the event, with what it was run for, and the input of the job that it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HookEvent {
    /// What it is run for.
    pub hook: Hook,
    /// The input of the job, as text that is safe to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(flatten)]
    pub event: Event,
}

impl HookWatch {
    /// What commands are to be run for, after this event.
    pub fn see(&mut self, event: &Event) -> Vec<HookEvent> {
        let (mut hooks, mut input) = (Vec::new(), None);
        match &event.kind {
            EventKind::JobQueued { job, input, .. } => {
                self.open.insert(*job, input.clone());
            }
            EventKind::JobRetried { job, .. } | EventKind::JobAllowed { job, .. } => {
                self.open.entry(*job).or_default();
            }
            EventKind::JobParked { job } => self.beyond += u64::from(self.open.remove(job).is_some()),
            EventKind::BacklogChanged { jobs, .. } => self.beyond = *jobs,
            EventKind::JobRejected { job, .. } | EventKind::JobRemoved { job, .. } => {
                self.open.remove(job);
            }
            EventKind::JobFinished { job, outcome, .. } => {
                let known = self.open.remove(job);
                input = known.filter(|path| path.as_os_str() != "").map(|path| path_text(&path));
                self.has_worked = true;
                match outcome {
                    Outcome::Done => hooks.push(Hook::OnDone),
                    Outcome::Failed | Outcome::OutOfMemory | Outcome::TimedOut | Outcome::Stalled => hooks.push(Hook::OnFailed),
                    Outcome::AlreadyDone | Outcome::Cancelled => {}
                }
            }
            EventKind::WarningRaised { warning, .. } => {
                hooks.extend(self.warnings.insert(warning.clone()).then_some(Hook::OnWarning));
            }
            EventKind::WarningCleared { warning } => {
                self.warnings.remove(warning);
            }
            _ => {}
        }
        if self.has_worked && self.open.is_empty() && self.beyond == 0 {
            self.has_worked = false;
            hooks.push(Hook::OnIdle);
        }
        hooks.into_iter().map(|hook| HookEvent { hook, input: input.clone(), event: event.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Seq;
    use crate::domain::job::Rank;
    use crate::domain::time::{Mono, Wall};
    use crate::domain::units::Bytes;

    #[derive(Default)]
    struct Rig(HookWatch);

    impl Rig {
        fn see(&mut self, kind: EventKind) -> Vec<HookEvent> {
            self.0.see(&Event { seq: Seq(1), at: Wall(0), mono: Mono::START, kind })
        }

        fn names(&mut self, kind: EventKind) -> Vec<&'static str> {
            self.see(kind).iter().map(|told| told.hook.name()).collect()
        }
    }

    fn queued(job: u64) -> EventKind {
        EventKind::JobQueued {
            job: JobId(job),
            input: format!("/films/{job}.mp4").into(),
            size_bytes: Bytes(1),
            preset: String::new(),
            output: None,
            rank: Rank::default(),
        }
    }

    fn finished(job: u64, outcome: Outcome) -> EventKind {
        EventKind::JobFinished {
            job: JobId(job),
            outcome,
            output: None,
            peak_memory_bytes: Bytes(1),
            seconds: 1.0,
            attempts: 1,
            exit_code: Some(0),
            signal: None,
            reason: None,
            damage: None,
            left_out: Vec::new(),
        }
    }

    #[test]
    fn jobs_that_end_are_told_by_their_outcome_and_the_last_one_makes_it_idle_once() {
        let mut rig = Rig::default();
        for job in 1..=4 {
            assert!(rig.see(queued(job)).is_empty());
        }
        let told = rig.see(finished(1, Outcome::Done));
        assert_eq!(told.len(), 1);
        let json = serde_json::to_value(&told[0]).expect("JSON");
        assert_eq!(
            (&json["hook"], &json["input"], &json["event"]),
            (&"on_done".into(), &"/films/1.mp4".into(), &"job_finished".into())
        );
        assert_eq!(rig.names(finished(2, Outcome::Stalled)), ["on_failed"]);
        assert!(rig.names(finished(3, Outcome::Cancelled)).is_empty());
        assert_eq!(rig.names(finished(4, Outcome::Done)), ["on_done", "on_idle"]);
        assert!(rig.names(EventKind::QueuePaused).is_empty(), "it is told once");
        assert!(rig.names(EventKind::JobRetried { job: JobId(2), rank: Rank::default() }).is_empty());
        assert_eq!(rig.names(finished(2, Outcome::AlreadyDone)), ["on_idle"]);
    }

    #[test]
    fn what_waits_beyond_the_listed_jobs_keeps_it_from_being_idle() {
        let mut rig = Rig::default();
        for job in 1..=2 {
            rig.see(queued(job));
        }
        assert!(rig.names(EventKind::JobParked { job: JobId(2) }).is_empty());
        assert_eq!(rig.names(finished(1, Outcome::Done)), ["on_done"]);
        assert_eq!(rig.names(EventKind::BacklogChanged { jobs: 0, bytes: Bytes(0) }), ["on_idle"]);
    }

    #[test]
    fn a_warning_is_told_when_it_comes_and_again_only_after_it_went() {
        let mut rig = Rig::default();
        let raised = || EventKind::WarningRaised {
            warning: "swap".to_owned(),
            evidence: String::new(),
            advice: String::new(),
            profile: None,
        };
        assert_eq!(rig.names(raised()), ["on_warning"]);
        assert!(rig.names(raised()).is_empty());
        rig.see(EventKind::WarningCleared { warning: "swap".to_owned() });
        assert_eq!(rig.names(raised()), ["on_warning"]);
    }
}
