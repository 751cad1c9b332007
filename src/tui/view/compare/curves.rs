//! The curves of several runs in one chart, with the load line. Each curve has a colour, a way to be dashed and a letter at its
//! end, so that any one of the three is enough.

use ratatui::text::Line;

use crate::domain::comparison::CurvePoint;
use crate::domain::units::Bytes;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::compare::figures::duration;
use crate::tui::view::text::spoken;
use crate::tui::view::widgets::{Curve, LoadChart, quarters};

/// How curves are dashed, by their places: as many dots drawn, as many left out.
const DASHES: [(usize, usize); 8] = [(1, 0), (3, 2), (1, 2), (6, 3), (2, 1), (1, 4), (4, 4), (2, 5)];
/// The chart ends at the budget where the curves come so near to it.
const NEAR_BUDGET: f64 = 0.5;

/// The curve of a run.
pub struct Run<'a> {
    /// Its place among all: colour and dashes.
    pub place: usize,
    pub letter: char,
    /// Its points, in the order of time.
    pub points: &'a [CurvePoint],
    /// What stands at its end.
    pub ends: String,
    /// It did not end well.
    pub is_bad: bool,
}

/// The chart of these runs; the first lies on top. A line or a budget of zero is not known.
pub fn chart<'a>(theme: &'a Theme, runs: Vec<Run<'a>>, line: Bytes, budget: Bytes) -> LoadChart<'a> {
    let points = || runs.iter().flat_map(|run| run.points);
    let seconds = points().map(|point| point.seconds).filter(|seconds| seconds.is_finite()).fold(1.0, f64::max);
    let highest = points().map(|point| point.hard_bytes).max().unwrap_or_default().max(line);
    let near = highest >= budget.scale(NEAR_BUDGET) && budget > Bytes::ZERO;
    let end = if near { highest.max(budget) } else { highest.scale(1.1) }.max(Bytes::mib(1));
    let time = ["0 s".to_owned(), tick(seconds / 2.0, seconds), tick(seconds, seconds)];
    let curve = |run: Run<'a>| Curve {
        values: Box::new(move |columns| sampled(run.points, seconds, columns)),
        style: theme.curve(run.place),
        over: theme.curve(run.place),
        dashes: DASHES[run.place % DASHES.len()],
        letter: Some(run.letter),
        ends: if run.is_bad { format!("{} {}", theme.symbols.bad, run.ends) } else { run.ends },
    };
    LoadChart {
        theme,
        curves: runs.into_iter().map(curve).collect(),
        line,
        end,
        labels: quarters(end),
        time: time.map(|time| Line::from(theme.span(time, Role::Dim))),
        marks: &|_| Vec::new(),
    }
}

/// A time on the axis. On an axis of a few seconds whole ones would be wrong, or the same twice.
fn tick(seconds: f64, whole: f64) -> String {
    if whole < 10.0 { format!("{seconds:.1} s") } else { spoken(duration(seconds)) }
}

/// The highest value in each of `columns` equal parts of the time; a part without a point, between two that have one, looks as
/// the one before.
fn sampled(points: &[CurvePoint], seconds: f64, columns: usize) -> Vec<Option<Bytes>> {
    let mut values: Vec<Option<Bytes>> = vec![None; columns];
    let Some(last) = columns.checked_sub(1) else { return values };
    let mut end = 0;
    for point in points {
        let at = ((point.seconds / seconds * columns as f64) as usize).min(last);
        values[at] = values[at].max(Some(point.hard_bytes));
        end = end.max(at);
    }
    let mut before = None;
    for value in values.iter_mut().take(end + 1) {
        *value = value.or(before);
        before = *value;
    }
    values
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::widgets::Widget as _;

    use super::*;
    use crate::tui::terminal::theme::{ColorMode, ThemeName};

    fn points(values: &[(f64, u64)]) -> Vec<CurvePoint> {
        values.iter().map(|(seconds, mb)| CurvePoint { seconds: *seconds, hard_bytes: Bytes::mib(*mb) }).collect()
    }

    #[test]
    fn each_part_of_the_time_has_its_highest_value_and_the_curve_ends_where_the_run_did() {
        let sampled = sampled(&points(&[(0.0, 10), (1.0, 30), (1.2, 20), (6.0, 5)]), 10.0, 5);
        let mb: Vec<Option<u64>> = sampled.iter().map(|value| value.map(|bytes| bytes.0 >> 20)).collect();
        assert_eq!(mb, [Some(30), Some(30), Some(30), Some(5), None]);
    }

    #[test]
    fn times_of_a_short_axis_are_told_with_tenths() {
        assert_eq!([0.75, 1.5].map(|at| tick(at, 1.5)), ["0.8 s", "1.5 s"]);
        assert_eq!([0.5, 1.0].map(|at| tick(at, 1.0)), ["0.5 s", "1.0 s"]);
        assert!(!tick(30.0, 60.0).contains('.'));
    }

    #[test]
    fn no_two_of_eight_curves_are_dashed_alike() {
        for (at, dashes) in DASHES.iter().enumerate() {
            assert!(!DASHES[..at].contains(dashes), "{dashes:?}");
        }
    }

    #[test]
    fn foreign_points_are_no_trouble() {
        let theme = Theme::new(ThemeName::Dark, ColorMode::Mono, false);
        let wild = points(&[(f64::NAN, 1), (-5.0, u64::MAX >> 21), (1e300, 3), (f64::INFINITY, 0)]);
        for (width, height) in [(1, 1), (20, 4), (200, 60), (17, 3)] {
            let area = Rect::new(0, 0, width, height);
            let run = Run { place: 99, letter: '?', points: &wild, ends: "?".to_owned(), is_bad: true };
            chart(&theme, vec![run], Bytes(1), Bytes(u64::MAX)).render(area, &mut Buffer::empty(area));
        }
    }
}
