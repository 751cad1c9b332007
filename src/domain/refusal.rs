//! Why requests are refused, by codes that stay: programs tell refusals apart by them, and people read the words.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::job::JobId;
use super::spelled::spelled;
use super::text::path_text;

spelled! {
    /// What kind of refusal it is. A code is added, never renamed or removed.
    Refusal {
        /// The engine has no such job on its list.
        UnknownJob = "unknown_job",
        /// Whoever asks only looks.
        ViewOnly = "view_only",
        /// The run has ended.
        Over = "over",
        /// A replay runs nothing.
        Replay = "replay",
        /// A run of a comparison is changed by nobody.
        Compared = "compared",
        /// A comparison is being made.
        Comparing = "comparing",
        /// plimsoll is ending.
        Ending = "ending",
        /// The queue takes nothing new.
        Draining = "draining",
        /// It does so already.
        DrainingAlready = "draining_already",
        /// It takes what is new.
        NotDraining = "not_draining",
        /// No further jobs are started already.
        HeldAlready = "held_already",
        /// Jobs are started.
        NotHeld = "not_held",
        /// Jobs run, and none may for this.
        JobsAtWork = "jobs_at_work",
        /// The governor is off.
        NoGovernor = "no_governor",
        /// Another profile has the name.
        ProfileTaken = "profile_taken",
        /// The profile is not sound.
        BadProfile = "bad_profile",
        /// There is no such preset.
        UnknownPreset = "unknown_preset",
        /// The preset is not sound, or comes with another's definition.
        BadPreset = "bad_preset",
        /// A path has to begin at the root.
        RelativePath = "relative_path",
        /// There is no video below the path.
        NothingFound = "nothing_found",
        /// The input waits already.
        QueuedAlready = "queued_already",
        /// The job is being stopped.
        Stopping = "stopping",
        /// The job's output is being put in place.
        Finishing = "finishing",
        /// The input is over the size limit.
        TooLarge = "too_large",
        /// The job is done.
        Done = "done",
        /// The job has ended.
        Ended = "ended",
        /// The job has not ended.
        NotEnded = "not_ended",
        /// The job was not rejected.
        NotRejected = "not_rejected",
        /// The job has no place in the queue.
        NotWaiting = "not_waiting",
        /// The job is at the end of the queue.
        AtEnd = "at_end",
        /// The job runs.
        Running = "running",
        /// The job is paused.
        PausedAlready = "paused_already",
        /// The job does not run.
        NotRunning = "not_running",
        /// The job is not paused.
        NotPaused = "not_paused",
        /// The job cannot be let in as it is.
        NotAllowed = "not_allowed",
        /// What follows the job is not on the list.
        NotListed = "not_listed",
        /// The line to the server was cut; the words tell whether it was asked.
        Cut = "cut",
        /// Another reason, in words alone, such as a path that cannot be read.
        Other = "refused",
    }
}

/// Said of an input that waits already.
pub const QUEUED_ALREADY: &str = "it is in the queue already";

impl Refusal {
    /// A refusal of this kind, in these words.
    pub fn because(self, why: impl Into<String>) -> Rejection {
        Rejection { code: self, why: why.into() }
    }
}

/// Why a request was refused: an operator's mistake, shown where it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WireRejection")]
pub struct Rejection {
    /// For programs.
    pub code: Refusal,
    /// For people: what it is, and what to do.
    pub why: String,
}

/// As it comes over the wire: a server that is newer may have a code that is not known here, one that is older has none, and the
/// words count all the same.
#[derive(Deserialize)]
#[serde(untagged)]
enum WireRejection {
    Known { code: Refusal, why: String },
    Unknown { why: String },
    Words(String),
}

impl From<WireRejection> for Rejection {
    fn from(rejection: WireRejection) -> Self {
        match rejection {
            WireRejection::Known { code, why } => code.because(why),
            WireRejection::Unknown { why } | WireRejection::Words(why) => Refusal::Other.because(why),
        }
    }
}

impl Rejection {
    /// An input was passed over, and this is told of it.
    pub fn of_path(path: &Path, detail: &str) -> Self {
        let code = if detail == QUEUED_ALREADY { Refusal::QueuedAlready } else { Refusal::Other };
        code.because(format!("{}: {detail}", path_text(path)))
    }

    /// The engine has no such job on its list.
    pub fn unknown_job(job: JobId) -> Self {
        Refusal::UnknownJob.because(format!("there is no job {job}"))
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_not_known_here_is_another_reason_with_its_words() {
        let read = |text: &str| serde_json::from_str::<Rejection>(text).expect("understood");
        assert_eq!(read(r#"{"code":"not_paused","why":"w"}"#), Refusal::NotPaused.because("w"));
        assert_eq!(read(r#"{"code":"of_tomorrow","why":"w","more":1}"#), Refusal::Other.because("w"));
        let written = serde_json::to_string(&Refusal::AtEnd.because("w")).expect("written");
        assert_eq!(read(&written), Refusal::AtEnd.because("w"));
        assert_eq!(read(r#""w""#), Refusal::Other.because("w"), "a server that has no codes yet");
    }
}
