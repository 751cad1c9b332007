//! When a failed job is tried again, and after how long.

use std::time::Duration;

use super::port::Cause;

/// First wait.
const BASE: Duration = Duration::from_secs(1);
/// Longest wait.
const CAP: Duration = Duration::from_mins(1);

/// The wait before the try after `attempt` (from 1): 1 s, doubled each time, at most 60 s.
pub fn backoff(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    BASE.saturating_mul(1 << doublings).min(CAP)
}

/// Another try makes sense: the cause may pass, and tries are left.
pub fn is_worth_it(cause: Cause, attempt: u32, retries: u32) -> bool {
    match cause {
        Cause::Input => false,
        Cause::Host | Cause::Room | Cause::Scratch | Cause::Unknown => attempt <= retries,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_minute() {
        let seconds: Vec<u64> = (1..=9).map(|attempt| backoff(attempt).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff(u32::MAX), CAP);
    }

    #[test]
    fn damaged_input_is_not_tried_again() {
        assert!(!is_worth_it(Cause::Input, 1, 5));
        assert!(is_worth_it(Cause::Host, 2, 2));
        assert!(!is_worth_it(Cause::Unknown, 3, 2));
    }
}
