//! How near memory is to the line, with hysteresis: up at once, down one level at a time and not at once.

use std::time::Duration;

use crate::domain::memory::{Level, Lines};
use crate::domain::time::Mono;
use crate::domain::units::Bytes;

/// A lower level must hold this long before it is believed, and each further step down takes as long again.
const DOWN_AFTER: Duration = Duration::from_secs(3);
/// A level is left only this far below its entry.
const DOWN_MARGIN: f64 = 0.95;

/// The level now, and since when memory is below it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Levels {
    level: Level,
    below_since: Option<Mono>,
}

/// The two figures that levels look at, without what others may use beside the budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Working set.
    pub working_set: Bytes,
    /// What the kernel cannot drop.
    pub hard: Bytes,
}

impl Levels {
    /// The level now.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Takes new figures; returns the new level where it changed.
    pub fn update(&mut self, now: Mono, counted: Counted, lines: &Lines) -> Option<Level> {
        let entered = entered(counted, lines);
        if entered > self.level {
            self.level = entered;
            self.below_since = None;
            return Some(entered);
        }
        if self.level == Level::Normal || !is_well_below(self.level, counted, lines) {
            self.below_since = None;
            return None;
        }
        let since = *self.below_since.get_or_insert(now);
        if now.since(since) < DOWN_AFTER {
            return None;
        }
        self.level = one_down(self.level);
        self.below_since = Some(now);
        Some(self.level)
    }
}

fn entered(counted: Counted, lines: &Lines) -> Level {
    // A budget of nothing is used up whatever is counted.
    if lines.budget == Bytes::ZERO || counted.hard >= lines.critical {
        Level::Critical
    } else if counted.working_set >= lines.high_water {
        Level::High
    } else if counted.working_set >= lines.elevated {
        Level::Elevated
    } else {
        Level::Normal
    }
}

fn is_well_below(level: Level, counted: Counted, lines: &Lines) -> bool {
    match level {
        Level::Normal => false,
        Level::Elevated => counted.working_set < lines.elevated.scale(DOWN_MARGIN),
        // The profile says itself where the alarm ends.
        Level::High => counted.working_set < lines.low_water.min(lines.high_water.scale(DOWN_MARGIN)),
        Level::Critical => counted.hard < lines.critical.scale(DOWN_MARGIN),
    }
}

const fn one_down(level: Level) -> Level {
    match level {
        Level::Critical => Level::High,
        Level::High => Level::Elevated,
        Level::Elevated | Level::Normal => Level::Normal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::{Mark, MemoryMarks};

    fn lines() -> Lines {
        let marks = MemoryMarks { budget: None, high_water: Mark::Share(0.75), low_water: Mark::Share(0.65), reserve: Bytes::ZERO };
        Lines::new(&marks, Bytes::mib(2048))
    }

    fn at(mb: u64) -> Counted {
        Counted { working_set: Bytes::mib(mb), hard: Bytes::mib(mb) }
    }

    #[test]
    fn the_level_rises_at_once_even_over_several_steps() {
        let mut levels = Levels::default();
        assert_eq!(levels.update(Mono::START, at(1900), &lines()), Some(Level::Critical));
    }

    #[test]
    fn the_level_falls_one_step_per_three_seconds() {
        let mut levels = Levels::default();
        levels.update(Mono::START, at(1900), &lines());
        let mut seen = Vec::new();
        for ms in (0..12_000).step_by(500) {
            if let Some(level) = levels.update(Mono::from_millis(ms), at(100), &lines()) {
                seen.push((ms, level));
            }
        }
        assert_eq!(seen, [(3000, Level::High), (6000, Level::Elevated), (9000, Level::Normal)]);
    }

    #[test]
    fn a_small_wave_around_the_line_does_not_flap() {
        let mut levels = Levels::default();
        let mut changes = 0;
        for step in 0..1000_u64 {
            let mb = if step % 2 == 0 { 1540 } else { 1500 };
            changes += usize::from(levels.update(Mono::from_millis(step * 250), at(mb), &lines()).is_some());
        }
        assert_eq!(changes, 1);
    }

    #[test]
    fn page_cache_alone_never_makes_it_critical() {
        let mut levels = Levels::default();
        let counted = Counted { working_set: Bytes::mib(2040), hard: Bytes::mib(300) };
        assert_eq!(levels.update(Mono::START, counted, &lines()), Some(Level::High));
    }

    #[test]
    fn a_zero_budget_is_critical_and_does_not_panic() {
        let mut levels = Levels::default();
        assert_eq!(levels.update(Mono::START, at(0), &Lines::default()), Some(Level::Critical));
    }
}
