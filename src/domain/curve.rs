//! What a finished job leaves behind for forecasts: its memory over its course, and what it cost.
//!
//! Facts only; who records them and what is concluded from them it does not know.

use serde::{Deserialize, Serialize};

use super::units::Bytes;

/// Most points that a curve keeps.
pub const MOST_POINTS: usize = 48;
/// Shares are counted in thousandths.
const WHOLE: f64 = 1000.0;

/// A point of a curve, both in thousandths: of the media time done, and of the peak held then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// How far the job was.
    pub done: u16,
    /// What it held.
    pub held: u16,
}

/// The course of one job that ended well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCurve {
    /// What it has in common with like jobs: the text of its recipe.
    pub recipe: String,
    /// Length of the media, in milliseconds.
    pub media_ms: u64,
    /// Frames written; 0 where none are counted.
    pub frames: u64,
    /// Processor time, in milliseconds.
    pub cpu_ms: u64,
    /// How long its process lived, in milliseconds.
    pub wall_ms: u64,
    /// Highest anonymous memory.
    pub peak: Bytes,
    /// Its memory, by media time.
    pub points: Vec<Point>,
}

impl JobCurve {
    /// Processor seconds for each frame, or for each second of media where no frames are counted.
    pub fn cpu_per_unit(&self) -> f64 {
        let units = if self.frames > 0 { self.frames as f64 } else { self.media_ms as f64 / 1000.0 };
        if units > 0.0 { self.cpu_ms as f64 / 1000.0 / units } else { 0.0 }
    }

    /// Processors that it kept busy.
    pub fn parallelism(&self) -> f64 {
        if self.wall_ms == 0 { 0.0 } else { self.cpu_ms as f64 / self.wall_ms as f64 }
    }

    /// Sets the points from what was seen: media time in milliseconds and memory. Of too many, each stretch's highest stays.
    pub fn set_points(&mut self, seen: &[(u64, Bytes)]) {
        let stretch = seen.len().div_ceil(MOST_POINTS).max(1);
        let end = self.media_ms.max(seen.last().map_or(0, |(at, _)| *at)).max(1) as f64;
        let point = |(at, held): (u64, Bytes)| Point {
            done: (at as f64 / end * WHOLE) as u16,
            held: (held.share_of(self.peak).min(1.0) * WHOLE) as u16,
        };
        let highest = |part: &[(u64, Bytes)]| part.iter().copied().max_by_key(|(_, held)| *held);
        self.points = seen.chunks(stretch).filter_map(highest).map(point).collect();
    }

    /// The points as bytes, four for each.
    pub fn packed(&self) -> Vec<u8> {
        self.points.iter().flat_map(|point| [point.done.to_le_bytes(), point.held.to_le_bytes()].concat()).collect()
    }

    /// The points of [`JobCurve::packed`]; what is left over of a torn one is no point.
    pub fn unpack(&mut self, bytes: &[u8]) {
        let pair = |bytes: &[u8; 4]| Point {
            done: u16::from_le_bytes([bytes[0], bytes[1]]),
            held: u16::from_le_bytes([bytes[2], bytes[3]]),
        };
        self.points = bytes.as_chunks::<4>().0.iter().map(pair).collect();
    }
}

/// The share of the peak that is held when this share of the work is done, both 0 to 1; between points along a line, from
/// nothing at the start. Without points: the peak from a tenth of the way on.
pub fn held_at(points: &[Point], done: f64) -> f64 {
    let done = done.clamp(0.0, 1.0) * WHOLE;
    let mut before = (0.0, 0.0);
    let alone = [Point { done: 100, held: 1000 }];
    let points = if points.is_empty() { &alone } else { points };
    for point in points {
        let here = (f64::from(point.done), f64::from(point.held));
        if here.0 >= done {
            let width = here.0 - before.0;
            let way = if width > 0.0 { (done - before.0) / width } else { 1.0 };
            return (before.1 + (here.1 - before.1) * way) / WHOLE;
        }
        before = here;
    }
    before.1 / WHOLE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> JobCurve {
        let mut curve =
            JobCurve { media_ms: 10_000, frames: 250, cpu_ms: 5000, wall_ms: 2500, peak: Bytes::mib(200), ..JobCurve::default() };
        let seen: Vec<(u64, Bytes)> = (1..=100).map(|at| (at * 100, Bytes::mib((at * 10).min(200)))).collect();
        curve.set_points(&seen);
        curve
    }

    #[test]
    fn a_curve_is_compact_and_comes_back_from_its_bytes() {
        let curve = curve();
        assert!(curve.points.len() <= MOST_POINTS && curve.points.len() > 20, "{}", curve.points.len());
        let mut back = JobCurve { points: Vec::new(), ..curve.clone() };
        back.unpack(&curve.packed());
        assert_eq!(back, curve);
        back.unpack(&[1, 0, 2]);
        assert!(back.points.is_empty(), "a torn point is none");
    }

    #[test]
    fn memory_is_read_between_the_points() {
        let curve = curve();
        assert!(held_at(&curve.points, 0.0) < 0.01);
        assert!((held_at(&curve.points, 0.1) - 0.5).abs() < 0.1, "{}", held_at(&curve.points, 0.1));
        assert!((held_at(&curve.points, 0.9) - 1.0).abs() < 0.01);
        assert!((held_at(&[], 0.5) - 1.0).abs() < 0.01 && held_at(&[], 0.05) < 0.6);
    }

    #[test]
    fn what_it_cost_is_told_by_frame_and_by_time() {
        assert!((curve().cpu_per_unit() - 0.02).abs() < 1e-9 && (curve().parallelism() - 2.0).abs() < 1e-9);
        assert!((JobCurve { frames: 0, ..curve() }.cpu_per_unit() - 0.5).abs() < 1e-9);
    }
}
