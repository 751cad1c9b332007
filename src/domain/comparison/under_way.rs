//! A comparison that was begun beside a queue: it has the machine for itself, and nothing of the queue starts meanwhile.

use serde::{Deserialize, Serialize};

use crate::domain::time::{Mono, Wall, span_words};

/// The way to end it from a shell, in words.
pub const END_IT: &str = "`plimsoll compare --stop` ends it";

/// Why none can begin now, in words.
pub const JOBS_AT_WORK: &str = "jobs are at work: they would measure each other; wait for them, then again";

/// What is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// When it began, for people.
    pub since: Wall,
    /// When it began.
    pub began: Mono,
    /// Inputs that are compared.
    pub inputs: u64,
    /// The run that is being made, from 1; 0 = none yet.
    pub run: u32,
    /// Runs in all.
    pub runs: u32,
    /// The profile of that run.
    pub profile: String,
}

impl UnderWay {
    /// Which run of how many: `run 2 of 6, balanced`.
    pub fn run_words(&self) -> String {
        match self.run {
            0 => "it begins".to_owned(),
            run => format!("run {run} of {}, {}", self.runs, self.profile),
        }
    }

    /// What waits for it does so like this: `jobs begin after the comparison under way (run 2 of 6, balanced, for 3 min now)`.
    pub fn waits_words(&self, now: Mono) -> String {
        format!("jobs begin after the comparison under way ({}, for {} now)", self.run_words(), span_words(now.since(self.began)))
    }
}

/// What whoever makes a comparison tells the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is about to begin; refused where it would not have the machine for itself.
    Begin {
        /// Inputs that are compared.
        inputs: u64,
    },
    /// A run begins.
    Run {
        /// Which, from 1.
        run: u32,
        /// Of so many.
        runs: u32,
        /// Under this profile.
        profile: String,
    },
    /// It is over; why, where it did not go to its end.
    End(Option<String>),
}
