//! Removes the logs that nobody can ask for any more: of jobs that are on record no longer, in runs of which no journal is kept.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What is on record.
#[derive(Debug, Default)]
pub struct OnRecord {
    /// Runs that can be looked at again.
    pub runs: BTreeSet<i64>,
    /// Jobs, whatever the run that they ran in.
    pub jobs: BTreeSet<u64>,
}

/// Looks through the folders of the runs before this one. What cannot be removed stays, and is tried again at the next start.
pub fn remove(logs: &Path, this_run: i64, on_record: &OnRecord) {
    for folder in fs::read_dir(logs).into_iter().flatten().filter_map(Result::ok) {
        let run = folder.file_name().to_str().and_then(|name| name.parse::<i64>().ok());
        if run.is_none_or(|run| run >= this_run || on_record.runs.contains(&run)) {
            continue;
        }
        for file in fs::read_dir(folder.path()).into_iter().flatten().filter_map(Result::ok) {
            let name = file.file_name();
            let job = name.to_str().and_then(|name| name.split('.').next()?.parse::<u64>().ok());
            if job.is_some_and(|job| !on_record.jobs.contains(&job)) {
                let _ = fs::remove_file(file.path());
            }
        }
        // Only an empty one goes.
        let _ = fs::remove_dir(folder.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logs_go_that_neither_a_job_nor_a_run_on_record_can_show() {
        let logs = tempfile::tempdir().expect("a folder");
        for file in ["1/1.1.log", "1/2.1.log", "2/3.1.log", "3/4.1.log", "4/5.1.log", "mine/6.1.log", "1/notes"] {
            let file = logs.path().join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, "x").expect("written");
        }
        let on_record = OnRecord { runs: BTreeSet::from([3]), jobs: BTreeSet::from([2]) };
        remove(logs.path(), 4, &on_record);
        let left = |file: &str| logs.path().join(file).exists();
        assert!(!left("1/1.1.log") && !left("2"), "nobody can ask for them");
        for file in ["1/2.1.log", "3/4.1.log", "4/5.1.log", "mine/6.1.log", "1/notes"] {
            assert!(left(file), "{file}");
        }
    }
}
