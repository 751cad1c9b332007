//! What a request that was done has come to, for those who sit at other consoles.

use crate::domain::command::{Command, JobRequest, MoveTo};
use crate::domain::job::JobId;
use crate::domain::text::many;
use crate::runtime::link::HELD_THE_QUEUE;

/// In words; `None` = nothing that others have to know.
pub(super) fn of(command: &Command) -> Option<String> {
    let one = |did: &str, job: &JobId| Some(format!("{did} #{job}"));
    match command {
        Command::Enqueue { paths, .. } => Some(format!("added {}", many(paths.len() as u64, "path"))),
        Command::PutBack(jobs) => Some(format!("put {} back", many(jobs.len() as u64, "job"))),
        Command::Cancel(job) => one("cancelled", job),
        Command::Retry(job) => one("ran again", job),
        Command::Allow(job) => one("let in", job),
        Command::Move(job, to) => one(moved(*to), job),
        Command::Remove(job) => one("took off the list", job),
        Command::PauseJob(job) => one("paused", job),
        Command::ResumeJob(job) => one("resumed", job),
        Command::Each(jobs, request) => {
            let did = match request {
                JobRequest::Cancel => "cancelled",
                JobRequest::Retry => "ran again",
                JobRequest::Allow => "let in",
                JobRequest::Remove => "took off the list",
                JobRequest::Pause => "paused",
                JobRequest::Resume => "resumed",
                JobRequest::Move(to) => moved(*to),
            };
            Some(format!("{did} {}", many(jobs.len() as u64, "job")))
        }
        Command::Place(_) => Some("put jobs at their places again".to_owned()),
        Command::Pause => Some(HELD_THE_QUEUE.to_owned()),
        Command::Resume => Some("released the queue".to_owned()),
        Command::SelectProfile(profile) | Command::UseProfile(profile) => Some(format!("switched to the profile {}", profile.name)),
        Command::CleanNow => Some("asked for a cleanup".to_owned()),
        Command::Drain => Some("asked for an end when the queue is empty".to_owned()),
        Command::Undrain => Some("took the end when the queue is empty back".to_owned()),
        Command::Shutdown => Some("ended this plimsoll".to_owned()),
        Command::Suspend | Command::Continue | Command::Comparison(_) => None,
    }
}

const fn moved(to: MoveTo) -> &'static str {
    match to {
        MoveTo::Sooner => "moved up",
        MoveTo::Later => "moved down",
        MoveTo::First => "moved to the front",
        MoveTo::Last => "moved to the end",
    }
}
