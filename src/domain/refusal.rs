//! Why requests are refused, by codes that stay: programs tell refusals apart by them, and people read the words.

use super::command::Rejection;

/// Each code with the words that tell it, in the order in which they are looked for. A code is added, never renamed or removed;
/// the words may change with it.
pub const REFUSALS: [(&str, &str); 38] = [
    ("unknown_job", "there is no job "),
    ("view_only", "this is a window to look through"),
    ("over", "the run is over"),
    ("replay", "this is a replay"),
    ("replay", "the replay "),
    ("compared", "this is a run of a comparison"),
    ("comparing", "another one is being made"),
    ("ending", "plimsoll is ending"),
    ("draining", "the queue is draining and takes nothing new"),
    ("draining_already", "the queue is draining already"),
    ("not_draining", "the queue is not draining"),
    ("held_already", "the queue is held already"),
    ("not_held", "the queue is not held"),
    ("jobs_at_work", "jobs are at work"),
    ("no_governor", "the governor is off"),
    ("profile_taken", "there is a profile "),
    ("bad_profile", "such a profile cannot be used"),
    ("unknown_preset", "there is no preset "),
    ("bad_preset", "such a preset cannot be used"),
    ("bad_preset", "came with the definition of another"),
    ("relative_path", "the path is not absolute"),
    ("nothing_found", "no video files were found"),
    ("queued_already", "it is in the queue already"),
    ("stopping", "is being stopped already"),
    ("finishing", "its output is just being put in place"),
    ("too_large", "is over the size limit"),
    ("done", "is done; there is nothing to retry"),
    ("ended", "has ended; there is nothing to cancel"),
    ("not_ended", "has not ended; there is nothing to retry"),
    ("not_rejected", "was not rejected"),
    ("not_waiting", "is not waiting"),
    ("at_end", "is at the end of the queue already"),
    ("running", "is running; cancel it first"),
    ("paused_already", "is paused already"),
    ("not_running", "is not running"),
    ("not_paused", "is not paused"),
    ("not_allowed", "cannot be let in"),
    ("not_listed", "not listed yet"),
];

/// A path, or anything else that has no code of its own.
pub const OTHER: &str = "refused";

impl Rejection {
    /// Its code.
    pub fn code(&self) -> &'static str {
        let known = REFUSALS.iter().find(|(_, words)| self.0.contains(words));
        known.map_or(OTHER, |(code, _)| code)
    }
}
