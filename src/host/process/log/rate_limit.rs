//! Decides which lines of a job's log become events: repeats are folded, floods are thinned and the rest is counted.
//!
//! Pure: it is told the time. The whole log goes to a file and does not pass here.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::job::LogLevel;

/// Lines let through in one second.
pub const LINES_PER_SECOND: u32 = 50;
/// Of these, kept for errors: a flood of warnings must not push out the line that tells why a job fails.
const FOR_ERRORS: u32 = 10;
/// One second; also how often a line that keeps repeating is counted out.
const WINDOW: Duration = Duration::from_secs(1);

/// The gate of one job.
#[derive(Debug, Default)]
pub struct LogGate {
    window: Duration,
    passed: u32,
    left_out: u64,
    last: Option<(LogLevel, String)>,
    repeats: u64,
    repeats_since: Duration,
    out: VecDeque<(LogLevel, String)>,
}

impl LogGate {
    /// An open gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line came at `now` (since the job's start).
    pub fn offer(&mut self, now: Duration, level: LogLevel, text: &str) {
        self.roll(now);
        if self.last.as_ref().is_some_and(|(l, t)| *l == level && t == text) {
            if self.repeats == 0 {
                self.repeats_since = now;
            }
            self.repeats += 1;
            return;
        }
        self.count_repeats();
        match &mut self.last {
            Some((l, t)) => {
                *l = level;
                t.clear();
                t.push_str(text);
            }
            None => self.last = Some((level, text.to_owned())),
        }
        let room = if level == LogLevel::Error { LINES_PER_SECOND } else { LINES_PER_SECOND - FOR_ERRORS };
        if self.passed < room {
            self.passed += 1;
            self.out.push_back((level, text.to_owned()));
        } else {
            self.left_out += 1;
        }
    }

    /// Time has passed: counts come out that are due. Call it a few times a second.
    pub fn tick(&mut self, now: Duration) {
        self.roll(now);
        if self.repeats > 0 && now.saturating_sub(self.repeats_since) >= WINDOW {
            self.count_repeats();
        }
    }

    /// The log has ended: every count comes out.
    pub fn finish(&mut self) {
        self.count_repeats();
        self.count_left_out();
    }

    /// The lines let through since the last call, oldest first.
    pub fn take(&mut self) -> Vec<(LogLevel, String)> {
        self.out.drain(..).collect()
    }

    fn roll(&mut self, now: Duration) {
        if now.saturating_sub(self.window) >= WINDOW {
            self.window = now;
            self.passed = 0;
            self.count_left_out();
        }
    }

    fn count_left_out(&mut self) {
        match std::mem::take(&mut self.left_out) {
            0 => {}
            1 => self.out.push_back((LogLevel::Info, "1 line left out here; it is in the log file".to_owned())),
            n => self.out.push_back((LogLevel::Info, format!("{n} lines left out here; they are in the log file"))),
        }
    }

    fn count_repeats(&mut self) {
        let level = self.last.as_ref().map_or(LogLevel::Info, |(level, _)| *level);
        match std::mem::take(&mut self.repeats) {
            0 => {}
            // A line that was itself left out has no repeats that anybody could place.
            n if self.left_out > 0 => self.left_out += n,
            1 => self.out.push_back((level, "last line repeated once".to_owned())),
            n => self.out.push_back((level, format!("last line repeated {n} times"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Duration = Duration::ZERO;

    fn texts(gate: &mut LogGate) -> Vec<String> {
        gate.take().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_line_that_repeats_is_told_once_and_counted() {
        let mut gate = LogGate::new();
        for _ in 0..5 {
            gate.offer(T0, LogLevel::Warning, "same");
        }
        gate.offer(T0, LogLevel::Warning, "other");
        assert_eq!(texts(&mut gate), ["same", "last line repeated 4 times", "other"]);
    }

    #[test]
    fn a_line_that_repeats_for_ever_is_counted_out_every_second() {
        let mut gate = LogGate::new();
        for ms in (0..3000).step_by(10) {
            gate.offer(Duration::from_millis(ms), LogLevel::Warning, "same");
            gate.tick(Duration::from_millis(ms));
        }
        gate.finish();
        let all = texts(&mut gate);
        assert_eq!(all[0], "same");
        let counted: u64 = all[1..].iter().filter_map(|t| t.split(' ').nth(3)?.parse::<u64>().ok()).sum();
        assert_eq!(counted, 299);
        assert!((3..=4).contains(&all.len()), "{all:?}");
    }

    #[test]
    fn a_flood_is_thinned_and_the_rest_is_counted() {
        let mut gate = LogGate::new();
        for n in 0..1000 {
            gate.offer(T0, LogLevel::Warning, &format!("line {n}"));
        }
        gate.tick(Duration::from_secs(1));
        let all = texts(&mut gate);
        assert_eq!(all.len(), 41);
        assert_eq!(all[40], "960 lines left out here; they are in the log file");
        gate.offer(Duration::from_secs(1), LogLevel::Warning, "later");
        assert_eq!(texts(&mut gate), ["later"]);
    }

    #[test]
    fn an_error_gets_through_a_flood_of_warnings() {
        let mut gate = LogGate::new();
        for n in 0..1000 {
            gate.offer(T0, LogLevel::Warning, &format!("line {n}"));
        }
        gate.offer(T0, LogLevel::Error, "disk full");
        assert!(texts(&mut gate).contains(&"disk full".to_owned()));
    }

    #[test]
    fn no_line_goes_uncounted() {
        let mut gate = LogGate::new();
        let mut offered = 0_u64;
        for n in 0..5000_u64 {
            let now = Duration::from_millis(n);
            gate.offer(now, LogLevel::Warning, if n % 7 < 4 { "same" } else { "other" });
            gate.tick(now);
            offered += 1;
        }
        gate.finish();
        let told: u64 = texts(&mut gate)
            .iter()
            .map(|text| match text.as_str() {
                "same" | "other" | "last line repeated once" | "1 line left out here; it is in the log file" => 1,
                counted => counted.split(' ').find_map(|word| word.parse::<u64>().ok()).unwrap(),
            })
            .sum();
        assert_eq!(told, offered);
    }
}
