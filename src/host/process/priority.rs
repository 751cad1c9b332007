//! The rank of a thread among all that want a processor. Knows nothing of what the thread does.

/// By how much whoever steps back is nicer than others, on the scale of nice(1).
#[cfg(target_os = "linux")]
const NICER: i32 = 10;
#[cfg(target_os = "linux")]
const NICEST: i32 = 19;

/// Gives the calling thread a lower rank, and every thread and process that it starts from now on: for work that jobs must
/// not be slowed by. Elsewhere than on Linux a rank is the whole process's, and nothing changes.
pub fn step_back() {
    #[cfg(target_os = "linux")]
    if let Ok(nice) = rustix::process::getpriority_process(None) {
        // Whoever may not is none the worse.
        let _ = rustix::process::setpriority_process(None, (nice + NICER).min(NICEST));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).expect("told")
    }

    #[test]
    fn a_thread_steps_back_with_those_it_starts_and_nobody_else() {
        let before = nice();
        let (own, started) = std::thread::spawn(|| {
            step_back();
            (nice(), std::thread::spawn(nice).join().expect("ends"))
        })
        .join()
        .expect("ends");
        let lower = (before + NICER).min(NICEST);
        assert_eq!((own, started), (lower, lower));
        assert_eq!(nice(), before);
    }
}
