//! From when on the time that a job still takes is told. In its first seconds an encoder fills its look-ahead and writes next
//! to nothing, so that its speed says nothing of the rest.

use std::time::Duration;

use crate::domain::job::Progress;

/// A job that has worked for this long can be judged, where it has also written [`MEDIA`].
const WORKED: Duration = Duration::from_secs(5);
/// Media time written from which on the look-ahead (x264: 40 to 60 pictures) no longer decides the speed.
const MEDIA: Duration = Duration::from_secs(2);
/// A short film can be judged sooner: when this share of it is done...
const SHARE: f64 = 0.25;
/// ...and this long was measured.
const MEASURED: Duration = Duration::from_secs(2);

/// What ffmpeg tells of its pace is told over all the time since its start; it knows nothing of being stopped. The same over
/// the time that it has `worked`, of which it has `been_there` longer.
pub fn without_pauses(progress: Progress, worked: Duration, been_there: Duration) -> Progress {
    if worked.is_zero() || been_there <= worked {
        return progress;
    }
    let factor = been_there.as_secs_f64() / worked.as_secs_f64();
    let (speed, fps) = (progress.speed * factor, progress.fps * factor);
    // Its media, over the share that it is of the whole, is the length of the whole.
    let rest = progress.ratio.filter(|ratio| *ratio > 0.0).map(|ratio| progress.out_time.as_secs_f64() * (1.0 - ratio) / ratio);
    let left = rest.filter(|_| speed > 0.0).map(|rest| (rest / speed).round() as u64);
    Progress { speed, fps, eta_seconds: progress.eta_seconds.and(left), ..progress }
}

/// The seconds that are left, once there is enough to tell: `worked` is how long its process has run, pauses left out.
pub fn seconds(worked: Duration, progress: &Progress) -> Option<u64> {
    let is_long_enough = worked >= WORKED && progress.out_time >= MEDIA;
    let is_far_enough = worked >= MEASURED && progress.ratio.is_some_and(|ratio| ratio >= SHARE);
    let is_at_end = progress.ratio.is_some_and(|ratio| ratio >= 1.0);
    progress.eta_seconds.filter(|_| is_long_enough || is_far_enough || is_at_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(worked_ms: u64, media_ms: u64, ratio: f64) -> bool {
        let out_time = Duration::from_millis(media_ms);
        let progress = Progress { ratio: Some(ratio), out_time, eta_seconds: Some(90), ..Progress::default() };
        seconds(Duration::from_millis(worked_ms), &progress).is_some()
    }

    #[test]
    fn nothing_is_told_of_the_first_seconds_nor_while_next_to_nothing_is_written() {
        assert!(!told(500, 40, 0.0));
        assert!(!told(4900, 20_000, 0.1), "not five seconds");
        assert!(!told(30_000, 1000, 0.001), "a slow encoder that has just begun to write");
        assert!(!told(600, 8000, 0.5), "half of it in half a second");
    }

    #[test]
    fn it_is_told_after_five_seconds_of_work_and_of_a_short_film_after_a_quarter() {
        assert!(told(5000, 2000, 0.001));
        assert!(told(2000, 2500, 0.25));
        assert!(told(300, 8000, 1.0), "nothing is left");
    }

    #[test]
    fn a_pause_is_no_work_pace_and_time_left_are_those_of_the_time_worked() {
        // A minute of a film of two, in 30 s of work and 90 s of standing still: ffmpeg says half the speed that it plays at.
        let told = Progress {
            ratio: Some(0.5),
            fps: 12.0,
            speed: 0.5,
            out_time: Duration::from_mins(1),
            eta_seconds: Some(120),
            ..Progress::default()
        };
        let at_work = without_pauses(told, Duration::from_secs(30), Duration::from_mins(2));
        assert_eq!((at_work.speed, at_work.fps, at_work.eta_seconds), (2.0, 48.0, Some(30)));
        assert_eq!(without_pauses(told, Duration::from_mins(2), Duration::from_mins(2)), told, "it was never paused");
    }

    #[test]
    fn what_is_not_known_stays_unknown() {
        let progress = Progress { ratio: None, out_time: Duration::from_mins(1), ..Progress::default() };
        assert_eq!(seconds(Duration::from_mins(1), &progress), None);
    }
}
