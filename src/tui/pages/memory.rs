//! The pane of memory over time: how much of it the chart shows.

use crate::domain::state::State;

/// Lengths of the chart that can be chosen, in seconds.
pub const CHART_SECONDS: [u64; 6] = [60, 300, 900, 1800, 3600, 7200];
/// Lengths while a run is younger than the usual length, in seconds.
const SHORT_CHARTS: [u64; 4] = [30, 60, 120, 180];

/// The window of the chart.
#[derive(Debug, Clone, Copy)]
pub struct Chart {
    /// Which of the lengths.
    length: usize,
    /// The operator has chosen it; until then it grows with the run.
    is_chosen: bool,
    /// Seconds before now at which it ends.
    back: u64,
}

impl Default for Chart {
    fn default() -> Self {
        Self { length: 1, is_chosen: false, back: 0 }
    }
}

impl Chart {
    /// Its length in seconds, and how many seconds before now it ends.
    pub fn window(&self, state: &State) -> (u64, u64) {
        let chosen = CHART_SECONDS[self.length];
        if self.is_chosen {
            return (chosen, self.back);
        }
        // A run that has just begun fills its chart too.
        let known = known_seconds(state);
        let fits = SHORT_CHARTS.into_iter().find(|length| known <= *length && *length < chosen);
        (fits.unwrap_or(chosen), self.back)
    }

    /// Shows the present.
    pub const fn to_present(&mut self) {
        self.back = 0;
    }

    /// A fifth of its length back, as far as anything is known.
    pub fn back(&mut self, state: &State) {
        self.back = (self.back + self.window(state).0 / 5).min(known_seconds(state));
    }

    /// A fifth of its length forward.
    pub fn forward(&mut self, state: &State) {
        self.back = self.back.saturating_sub(self.window(state).0 / 5);
    }

    /// The next length, as the chart now is.
    pub fn resize(&mut self, state: &State, longer: bool) {
        let now = self.window(state).0;
        let at = if longer {
            CHART_SECONDS.iter().position(|length| *length > now).unwrap_or(CHART_SECONDS.len() - 1)
        } else {
            CHART_SECONDS.iter().rposition(|length| *length < now).unwrap_or(0)
        };
        (self.length, self.is_chosen) = (at, true);
    }
}

/// Seconds of which memory is known.
fn known_seconds(state: &State) -> u64 {
    let now = state.now.0.as_secs();
    now - state.history.front().map_or(now, |point| point.second.min(now))
}
