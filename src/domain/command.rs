//! What a front end may ask of the engine. Commands ask; whether anything came of it is told by events.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::comparison::under_way::Step;
use super::job::{JobId, Rank};
use super::preset::Preset;
use super::profile::Profile;
use super::text::{as_exact_list, as_exact_option};
use super::watch::WatchTake;

/// Who asked: one attached front end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub u64);

/// Which of its requests, so that the reply can be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// A request to the engine. In JSON an object with one key, its name; a request that asks for nothing further is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Queue files, and folders recursively.
    Enqueue {
        /// Absolute paths.
        #[serde(with = "as_exact_list")]
        paths: Vec<PathBuf>,
        /// Name of the preset; `None` = the run's preset, or that of [`QueueOptions::definition`].
        #[serde(default)]
        preset: Option<String>,
        /// For these files alone.
        #[serde(default, rename = "wishes")]
        options: QueueOptions,
    },
    /// Queue jobs again that were taken off the list in this run, each with its place: lower runs sooner. They are as they
    /// were: number, output, preset, and what was wished for them. One that had ended runs anew.
    PutBack(Vec<(JobId, Rank)>),
    /// End a job for good; a waiting one at once, a running one after it stopped.
    Cancel(JobId),
    /// Run a finished job again.
    Retry(JobId),
    /// Let a job in that was rejected for its size.
    Allow(JobId),
    /// Change a waiting job's place.
    Move(JobId, MoveTo),
    /// The same for each of these jobs, in the order of the queue. Those that cannot are told in one refusal; the others are
    /// done all the same.
    Each(Vec<JobId>, JobRequest),
    /// Give waiting jobs these places again: lower runs sooner.
    Place(Vec<(JobId, Rank)>),
    /// Take a job that is not running off the list.
    Remove(JobId),
    /// Stop a running job's processes where they are (SIGSTOP); its memory stays.
    PauseJob(JobId),
    /// Let a paused job go on.
    ResumeJob(JobId),
    /// Start no further jobs; those that run go on.
    Pause,
    /// Start jobs again.
    Resume,
    /// Go on under another profile. Fewer slots drain, they never kill.
    SelectProfile(Box<Profile>),
    /// Go on under a profile that stands in no file, as [`Command::SelectProfile`] does. It is checked as a file would be.
    UseProfile(Box<Profile>),
    /// Run the harmless cleanups now.
    CleanNow,
    /// Run what is queued, take nothing new, then finish.
    Drain,
    /// Take [`Command::Drain`] back: files are taken again, and the run goes on when the queue is empty.
    Undrain,
    /// End: start nothing, stop what runs, put it back into the queue. A second one kills at once.
    Shutdown,
    /// The console is about to be stopped by the terminal (Ctrl-Z): stop every running job first.
    Suspend,
    /// The console goes on: let the jobs go on that [`Command::Suspend`] stopped.
    Continue,
    /// A comparison begins, comes on, or is over. Only who makes it can say so.
    #[serde(skip)]
    Comparison(Step),
}

impl Command {
    /// Jobs may start by it, at once or when their turn comes.
    pub const fn starts_jobs(&self) -> bool {
        matches!(
            self,
            Self::Enqueue { .. }
                | Self::PutBack(_)
                | Self::Retry(_)
                | Self::Allow(_)
                | Self::Each(_, JobRequest::Retry | JobRequest::Allow | JobRequest::Resume)
                | Self::ResumeJob(_)
                | Self::Resume
                | Self::SelectProfile(_)
                | Self::UseProfile(_)
        )
    }

    /// Queues files without further options; see [`Command::Enqueue`].
    pub fn enqueue(paths: Vec<PathBuf>, preset: Option<String>) -> Self {
        Self::Enqueue { paths, preset, options: QueueOptions::default() }
    }

    /// The same in as many requests as it takes: none is longer than a server reads.
    pub fn enqueue_all(paths: Vec<PathBuf>, preset: Option<&str>) -> Vec<Self> {
        let (mut requests, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
        let request = |part: &mut Vec<PathBuf>| Self::enqueue(std::mem::take(part), preset.map(ToOwned::to_owned));
        for path in paths {
            if bytes > REQUEST_BYTES {
                requests.push(request(&mut part));
                bytes = 0;
            }
            bytes += path.as_os_str().len();
            part.push(path);
        }
        if !part.is_empty() {
            requests.push(request(&mut part));
        }
        requests
    }
}

/// About as many bytes of paths go into one request: a line of a client has a limit of 1 MiB, and a byte of a path may be six there.
const REQUEST_BYTES: usize = 128 * 1024;

/// How files are to be queued. What is not said is as the run was started with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueOptions {
    /// Folder of their outputs, absolute.
    #[serde(with = "as_exact_option")]
    pub out: Option<PathBuf>,
    /// All outputs go into that folder itself, whatever folders their inputs lie in.
    pub flat: Option<bool>,
    /// Outputs that are there are replaced.
    pub overwrite: Option<bool>,
    /// They run before all that waits, in the order in which they are given or found.
    pub front: bool,
    /// What the preset's name means to whoever asks. It is checked as a file would be; the jobs keep it.
    pub definition: Option<Box<Preset>>,
    /// What is given is a film, whatever it is called: nobody's list of files to queue. Only who is in this process says so.
    #[serde(skip)]
    pub film: bool,
    /// They come from a folder that this server watches: they are looked at as what a search of that folder finds. Nobody can
    /// say so from outside.
    #[serde(skip)]
    pub watch: Option<WatchTake>,
}

/// What can be asked for several jobs at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobRequest {
    /// As [`Command::Cancel`].
    Cancel,
    /// As [`Command::Retry`].
    Retry,
    /// As [`Command::Allow`].
    Allow,
    /// As [`Command::Remove`].
    Remove,
    /// As [`Command::PauseJob`].
    Pause,
    /// As [`Command::ResumeJob`].
    Resume,
    /// As [`Command::Move`]: the jobs keep their order among themselves.
    Move(MoveTo),
}

/// Where to move a waiting job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveTo {
    /// Before its predecessor.
    Sooner,
    /// After its successor.
    Later,
    /// To the front.
    First,
    /// To the end.
    Last,
}

/// What came of a request that was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was queued, if files were to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Queued>,
    /// What was asked for begins later, and after what, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<String>,
}

/// What was queued together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Its number within the run: the jobs of the store carry it.
    pub batch: u64,
    /// New jobs.
    pub jobs: u64,
    /// Inputs that were in the queue already, and were not added a second time.
    pub known: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_paths_as_there_are_go_into_requests_that_a_server_reads() {
        // A control character takes six bytes of JSON.
        let paths: Vec<PathBuf> = (0..9000).map(|number| format!("/in/{}{number}.mp4", "\u{1}".repeat(60)).into()).collect();
        let requests = Command::enqueue_all(paths.clone(), Some("web-720p"));
        assert!(requests.len() > 3, "{}", requests.len());
        let mut all = Vec::new();
        for request in requests {
            assert!(serde_json::to_string(&request).expect("JSON").len() < 1024 * 1024);
            let Command::Enqueue { paths, preset, .. } = request else { panic!("another request") };
            assert_eq!(preset.as_deref(), Some("web-720p"));
            all.extend(paths);
        }
        assert_eq!(all, paths, "all of them, in their order");
        assert_eq!(Command::enqueue_all(Vec::new(), None), []);
    }

    #[test]
    fn requests_are_written_by_their_names() {
        let told = |command: &Command| serde_json::to_string(command).expect("written");
        assert_eq!(told(&Command::Pause), r#""pause""#);
        assert_eq!(told(&Command::PauseJob(JobId(3))), r#"{"pause_job":3}"#);
        assert_eq!(told(&Command::Move(JobId(3), MoveTo::First)), r#"{"move":[3,"first"]}"#);
        let each = Command::Each(vec![JobId(1), JobId(2)], JobRequest::Move(MoveTo::Last));
        assert_eq!(told(&each), r#"{"each":[[1,2],{"move":"last"}]}"#);
    }

    #[test]
    fn a_request_may_leave_out_what_has_a_default_and_hold_what_is_not_known() {
        let read = serde_json::from_str::<Command>(r#"{"enqueue":{"paths":["/v/a.mp4"],"of_a_later_version":1}}"#).expect("read");
        assert!(
            matches!(read, Command::Enqueue { paths, preset: None, options } if paths == [PathBuf::from("/v/a.mp4")] && options == QueueOptions::default())
        );
    }

    #[test]
    fn a_path_that_is_written_wrongly_is_refused_with_what_is_allowed() {
        let why = serde_json::from_str::<Command>(r#"{"enqueue":{"paths":["/v/a\\b"]}}"#).expect_err("no path").to_string();
        assert!(why.contains(r"a backslash in it is written \\"), "{why}");
    }
}
