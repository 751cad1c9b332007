//! Times in ticks of a clock.

/// ffmpeg takes times and scales from here on for negative, or for "not known".
pub(super) const LONGEST: u64 = 1 << 31;

/// Ticks of another clock, to the nearest.
pub(super) fn rescaled(ticks: u64, to: u32, from: u32) -> Option<u64> {
    let (to, from) = (u128::from(to), u128::from(from));
    u64::try_from((u128::from(ticks) * to + from / 2).checked_div(from)?).ok()
}

/// Ticks as seconds, in ffprobe's form.
pub(super) fn seconds(ticks: u64, scale: u32) -> String {
    format!("{:.6}", ticks as f64 * (1.0 / f64::from(scale)))
}
