//! The popup of profiles: which one is chosen, and what switching to each would do now.

use crate::domain::memory::Lines;
use crate::domain::profile::{Profile, Slots};
use crate::domain::state::State;

#[derive(Debug, Clone, Default)]
pub struct Picker {
    pub row: usize,
    /// What switching would do, for each profile.
    pub switches: Vec<Switch>,
}

/// What switching would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switch {
    /// It is the profile in force.
    pub in_force: bool,
    /// Jobs that hold a slot.
    pub running: u64,
    /// Of them, those that are over the new number of slots.
    pub draining: u64,
    /// Slots that would be there at once.
    pub opened: u64,
    /// Waiting jobs over the new size limit.
    pub too_large: u64,
    /// Jobs rejected for their size that are within the new limit.
    pub let_in: u64,
    /// The lines that would be in force.
    pub lines: Lines,
}

impl Switch {
    /// What switching from `state` to `profile` would do.
    pub fn preview(state: &State, profile: &Profile) -> Self {
        let running = state.index.active.len() as u64;
        // Where memory and processors decide, nothing is known before they do.
        let slots = profile.max_concurrent.fixed().map_or(running, u64::from);
        let waiting = state.index.waiting.iter().map(|(_, id)| id).chain(&state.index.backoff);
        let too_large =
            waiting.filter_map(|id| state.jobs.get(id)).filter(|job| !job.allowed && job.size > profile.max_file_size).count()
                as u64;
        let let_in = state
            .index
            .rejected
            .iter()
            .filter_map(|id| state.jobs.get(id))
            .filter(|job| job.phase.is_too_large() && job.size <= profile.max_file_size);
        let budget = match profile.memory.budget {
            _ if state.budget_by_operator => state.lines.budget,
            Some(bytes) => bytes.min(state.available),
            None => state.available,
        };
        Self {
            in_force: state.profile.as_deref() == Some(profile),
            running,
            draining: running.saturating_sub(slots),
            opened: slots.saturating_sub(running).min(state.index.waiting.len() as u64),
            too_large,
            let_in: let_in.count() as u64,
            lines: Lines::new(&profile.memory, budget),
        }
    }

    /// In words.
    pub fn words(&self, profile: &Profile) -> String {
        if self.in_force {
            return "in force".to_owned();
        }
        let mut parts = Vec::new();
        if profile.max_concurrent == Slots::Auto {
            parts.push("memory and processors decide how many at once".to_owned());
        }
        if self.draining > 0 {
            parts.push(format!(
                "{} of {} running {}",
                self.draining,
                self.running,
                if self.draining == 1 { "drains" } else { "drain" }
            ));
        }
        if self.opened > 0 {
            parts.push(format!("{} more may start", self.opened));
        }
        if self.too_large > 0 {
            parts.push(format!(
                "{} queued {} over {}",
                self.too_large,
                if self.too_large == 1 { "is" } else { "are" },
                profile.max_file_size
            ));
        }
        if self.let_in > 0 {
            parts.push(format!("{} rejected would fit", self.let_in));
        }
        if parts.is_empty() { "nothing changes at once".to_owned() } else { parts.join(", ") }
    }
}
