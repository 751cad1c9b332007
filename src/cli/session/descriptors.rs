//! How many files this process may have open, and how many jobs at once that is enough for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli::Usage;
use crate::domain::profile::{Profile, Slots};
use crate::host::memory::kernel_file;

/// What one more job takes: its part and log, its pipes, what tells of its process, and what is open while it is started.
const A_JOB: u64 = 8;
/// The same where the kernel's files on each job are kept open.
const A_JOB_KEPT: u64 = 14;
/// What is open whatever runs, a probe included.
const ALWAYS: u64 = 32;
/// The same where the kernel's files are kept open.
const ALWAYS_KEPT: u64 = 60;
/// Fewer are not enough for a single job.
const LEAST: u64 = ALWAYS + A_JOB;
/// As many as are asked for where the hard limit allows.
const WANTED: u64 = 4096;

/// What to do about a limit that is too low.
const ADVICE: &str =
    "raise the limit with `ulimit -n 1024`, in a service with LimitNOFILE=1024, in Docker with --ulimit nofile=1024";

/// Raises the limit of this process as far as its hard limit allows; the limit in force.
pub fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if current.is_some_and(|current| current < wanted) {
        // A system that refuses leaves the limit as it was.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Jobs at once that `limit` open files are enough for.
fn enough_for(limit: u64) -> Result<u32, Usage> {
    let jobs = if limit < kernel_file::FEW { limit.saturating_sub(ALWAYS) / A_JOB } else { (limit - ALWAYS_KEPT) / A_JOB_KEPT };
    match u32::try_from(jobs).unwrap_or(u32::MAX) {
        0 => Err(Usage(format!("this process may have only {limit} files open, and plimsoll needs {LEAST} for one job; {ADVICE}"))),
        jobs => Ok(jobs),
    }
}

/// Lowers the slots of the profiles to what `limit` open files are enough for; what to tell if those of `used` were lowered.
pub fn fit(limit: u64, used: &mut Profile, others: &mut [Profile]) -> Result<Option<String>, Usage> {
    let most = enough_for(limit)?;
    let lower = |profile: &mut Profile| match profile.max_concurrent {
        Slots::Fixed(slots) if slots > most => {
            profile.max_concurrent = Slots::Fixed(most);
            true
        }
        // It may want as many as 64; under a high limit that is no matter.
        Slots::Auto if limit < kernel_file::FEW => {
            profile.max_concurrent = Slots::Fixed(most);
            true
        }
        _ => false,
    };
    for profile in others {
        lower(profile);
    }
    let told = lower(used);
    Ok(told.then(|| format!("this process may have only {limit} files open: at most {most} at once; for more, {ADVICE}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::search::{self, SearchPaths};

    fn fitted(limit: u64, name: &str) -> (Slots, Option<String>) {
        let mut profile: Profile = search::find(&SearchPaths::default(), name).expect("built in").value;
        let told = fit(limit, &mut profile, &mut []).expect("enough");
        (profile.max_concurrent, told)
    }

    #[test]
    fn few_descriptors_mean_fewer_jobs_at_once_and_that_is_told() {
        let (slots, told) = fitted(40, "balanced");
        assert_eq!(slots, Slots::Fixed(1));
        let told = told.expect("told");
        assert!(told.contains("only 40 files") && told.contains("ulimit -n"), "{told}");
        assert_eq!(fitted(48, "fast").0, Slots::Fixed(2));
        assert_eq!(fitted(48, "adaptive").0, Slots::Fixed(2));
        assert_eq!(fitted(40, "safe"), (Slots::Fixed(1), None), "it has one slot anyway");
        assert_eq!(fitted(1024, "fast"), (Slots::Fixed(4), None));
        assert_eq!(fitted(1024, "adaptive"), (Slots::Auto, None));
    }

    #[test]
    fn too_few_for_one_job_are_refused_with_the_limit_and_what_to_do() {
        let Usage(why) = enough_for(39).expect_err("too few");
        assert!(why.contains("only 39 files open") && why.contains("needs 40") && why.contains("ulimit -n 1024"), "{why}");
    }
}
