//! The figures of a column as cells: what is said, how it looks, how long its bar is. The figures are those of the reports.

use std::time::Duration;

use crate::domain::comparison::{Column, Figure, RunFigures, Spread};
use crate::domain::memory::ELEVATED_SHARE;
use crate::domain::time::span_words;
use crate::domain::units::Bytes;
use crate::tui::terminal::theme::{Role, Theme};

/// From this share of the budget on memory is near the limit, as everywhere.
const CRITICAL_SHARE: f64 = 0.9;
/// From so many seconds on minutes are easier to read.
const MINUTES_FROM: f64 = 100.0;
/// Longer than any run.
const LONGEST: f64 = 1e8;

/// A time of foreign figures.
pub fn duration(seconds: f64) -> Duration {
    Duration::from_secs_f64(if seconds.is_finite() { seconds.clamp(0.0, LONGEST) } else { 0.0 })
}

/// A column with what is known of it now.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The runs that were made.
    pub column: &'a Column,
    /// The run that is being made in this column.
    pub live: Option<&'a RunFigures>,
}

impl<'a> Seen<'a> {
    /// Median and spread over the runs that were made; before there is one, the figure of the one under way so far. `None` =
    /// not known.
    pub fn spread(&self, figure: Figure) -> Option<Spread> {
        if !self.column.runs.is_empty() {
            return Some(self.column.spread(figure));
        }
        let run = self.live?;
        // Both are known at the end.
        if matches!(figure, Figure::CpuSeconds | Figure::Unfinished) {
            return None;
        }
        Some(Spread::of([figure.of(run)]))
    }

    /// The run whose curve is drawn: the one under way, else the typical one.
    pub fn run(&self) -> Option<&'a RunFigures> {
        self.live.or_else(|| self.column.typical())
    }
}

/// What a cell says.
pub struct FigureText {
    /// The figure, with a symbol where it means something.
    pub text: String,
    /// How far the runs lie apart, where they do: `(36-41)`.
    pub apart: String,
    pub role: Role,
    /// What the bar stands for.
    pub value: f64,
}

/// What the cell of a figure says; `None` = not known.
pub fn said(theme: &Theme, seen: Seen<'_>, figure: Figure) -> Option<FigureText> {
    let spread = seen.spread(figure)?;
    let (role, symbol) = meaning(theme, seen, figure, spread.median);
    let words = text(figure, spread.median);
    let text = if symbol.is_empty() { words } else { format!("{words} {symbol}") };
    let apart = if spread.min < spread.max { spread.apart(|value| self::text(figure, value)) } else { String::new() };
    Some(FigureText { text, apart, role, value: spread.median })
}

/// A figure with its unit.
pub fn text(figure: Figure, value: f64) -> String {
    match figure {
        Figure::SecondsOverHighWater | Figure::Seconds | Figure::CpuSeconds if value >= MINUTES_FROM => {
            minutes(duration(value.round()).as_secs())
        }
        _ => figure.text(value),
    }
}

/// `11 min 20 s`: to the second below an hour, as runs are compared by it.
fn minutes(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => span_words(Duration::from_secs(seconds)),
    }
}

fn meaning(theme: &Theme, seen: Seen<'_>, figure: Figure, value: f64) -> (Role, &'static str) {
    let symbols = theme.symbols;
    let is_any = value > 0.0;
    match figure {
        Figure::PeakMemoryBytes => {
            let Some(run) = seen.run().filter(|run| run.high_water_bytes > Bytes::ZERO) else { return (Role::Text, "") };
            let peak = Bytes(value as u64);
            if peak >= run.budget_bytes.scale(CRITICAL_SHARE) && run.budget_bytes > Bytes::ZERO {
                (Role::Bad, symbols.bad)
            } else if peak >= run.high_water_bytes {
                (Role::Warn, symbols.over)
            } else if peak >= run.high_water_bytes.scale(ELEVATED_SHARE) {
                (Role::Warn, symbols.near)
            } else {
                (Role::Good, symbols.under)
            }
        }
        Figure::SecondsOverHighWater if is_any => (Role::Warn, ""),
        Figure::TooLarge | Figure::NeverFits | Figure::NotAccepted if is_any => (Role::Warn, symbols.rejected),
        Figure::OomKills | Figure::OutOfMemory | Figure::Failed | Figure::Unfinished if is_any => (Role::Bad, symbols.bad),
        Figure::Stops | Figure::Requeues if is_any => (Role::Warn, ""),
        _ => (Role::Text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::GuideWords;
    use crate::tui::terminal::theme::{ColorMode, ThemeName};

    fn column(runs: Vec<RunFigures>) -> Column {
        Column { profile: "fast".to_owned(), short: "4/500".to_owned(), governor: true, guide: GuideWords::default(), runs }
    }

    fn run(mb: u64, seconds: f64) -> RunFigures {
        RunFigures {
            whole: true,
            peak_memory_bytes: Bytes::mib(mb),
            budget_bytes: Bytes::gib(2),
            high_water_bytes: Bytes::mib(1536),
            seconds,
            ..RunFigures::default()
        }
    }

    fn told(column: &Column, live: Option<&RunFigures>, figure: Figure) -> Option<(String, String, Role)> {
        let theme = Theme::new(ThemeName::Dark, ColorMode::True, false);
        said(&theme, Seen { column, live }, figure).map(|said| (said.text, said.apart, said.role))
    }

    #[test]
    fn a_peak_is_told_by_where_it_stands_to_the_line_and_the_budget() {
        for (mb, wanted, role) in [
            (874, "874 MB ●", Role::Good),
            (1400, "1400 MB ◐", Role::Warn),
            (1618, "1618 MB ▲", Role::Warn),
            (2000, "2000 MB ✖", Role::Bad),
        ] {
            let said = told(&column(vec![run(mb, 1.0)]), None, Figure::PeakMemoryBytes);
            assert_eq!(said, Some((wanted.to_owned(), String::new(), role)));
        }
    }

    #[test]
    fn what_was_not_run_has_no_figure_and_what_is_under_way_has_those_so_far() {
        let (none, live) = (column(Vec::new()), run(500, 12.0));
        assert_eq!(told(&none, None, Figure::Done), None, "no run is not a run with nothing done");
        assert_eq!(told(&none, Some(&live), Figure::Done).map(|said| said.0).as_deref(), Some("0"));
        assert_eq!(told(&none, Some(&live), Figure::CpuSeconds), None, "known at the end");
        let both = column(vec![run(500, 36.0), run(500, 140.0), run(500, 41.0)]);
        let seconds = told(&both, Some(&live), Figure::Seconds).expect("made");
        assert_eq!((seconds.0.as_str(), seconds.1.as_str()), ("41.0 s", "(36.0 s-2 min 20 s)"), "runs that were made go first");
    }

    #[test]
    fn foreign_times_are_no_trouble() {
        for seconds in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            let _ = span_words(duration(seconds));
        }
        assert_eq!(duration(2.5), Duration::from_millis(2500));
    }
}
