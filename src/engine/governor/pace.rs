//! How often memory is looked at: the nearer to the next level, the more often.

use std::time::Duration;

use crate::domain::memory::Level;
use crate::domain::units::{Bytes, GIB};
use crate::engine::Engine;
use crate::engine::port::Effect;
use crate::engine::samples::counted;

/// Shortest time between samples.
const SHORTEST: Duration = Duration::from_millis(100);
/// Longest time while anything runs or waits.
pub(super) const BUSY: Duration = Duration::from_millis(250);
/// Longest time at all.
const LONGEST: Duration = Duration::from_secs(1);
/// How fast memory is taken to grow, in bytes a second: two jobs at once were seen at 860 MB/s.
const GROWTH: u64 = GIB;

impl Engine {
    /// Asks for samples at another pace, where that differs notably.
    pub(in crate::engine) fn set_pace(&mut self) {
        if !self.config.governor {
            return;
        }
        let wanted = self.wanted_pace();
        let pace = self.governor.pace;
        // A fifth up or down is not worth an order; the ends of the range are always reached.
        let is_notable = wanted.abs_diff(pace) * 5 > pace || (wanted != pace && (wanted == SHORTEST || wanted == BUSY));
        if is_notable {
            self.governor.pace = wanted;
            self.effects.push(Effect::SamplePace(wanted));
        }
    }

    /// The time in which half of what is left to the next level would be used up; the shortest while the end of the run
    /// waits for nothing but a sample that tells what a cleanup has done.
    fn wanted_pace(&self) -> Duration {
        if self.active.is_empty() && self.nothing_waits() && !(self.all_is_told() && self.governor.is_tidy()) {
            return SHORTEST;
        }
        let is_idle = self.active.is_empty() && self.nothing_waits();
        let longest = if is_idle { LONGEST } else { BUSY };
        let Some((_, sample)) = &self.sample else { return longest };
        let (lines, counted) = (&self.state.lines, counted(sample));
        let left: Bytes = match self.levels.level() {
            Level::Normal => lines.elevated - counted.working_set,
            Level::Elevated => lines.high_water - counted.working_set,
            Level::High => lines.critical - counted.hard,
            Level::Critical => Bytes::ZERO,
        };
        let micros = u128::from(left.0 / 2) * 1_000_000 / u128::from(GROWTH);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)).clamp(SHORTEST, longest)
    }
}
