//! `memory.svg`: the memory of one typical run under each profile, overlaid, with the load line.

use std::collections::BTreeMap;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged};
use plotters::prelude::*;

use crate::domain::comparison::Comparison;
use crate::domain::time::seconds_words;
use crate::domain::units::{Bytes, MIB};

/// Size of the picture in pixels.
const SIZE: (u32, u32) = (960, 480);
/// Colours that colour-blind readers tell apart (Okabe and Ito).
const COLORS: [RGBColor; 6] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
const LINE_COLOR: RGBColor = RGBColor(230, 159, 0);

/// The picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the memory curves: {0}")]
pub struct ChartError(String);

/// An axis from zero with a step of 1, 2 or 5 times a power of ten.
struct FromZero(f64);

impl Ranged for FromZero {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;
    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (f64::from(limit.1 - limit.0) * value / self.0).round() as i32
    }
    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let step = nice_step(self.0, hint.max_num_points().clamp(2, 10));
        let steps = (self.0 * 1.0001 / step) as u32;
        (0..=steps).map(|index| f64::from(index) * step).collect()
    }
    fn range(&self) -> std::ops::Range<f64> {
        0.0..self.0
    }
}

impl plotters::coord::ranged1d::ValueFormatter<f64> for FromZero {
    fn format(value: &f64) -> String {
        // As many places as the step has, at most three: 0.25 is not 0.2.
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// The smallest of 1, 2, 5, 10, 20, … (or their tenths) that needs no more than `most` steps.
fn nice_step(end: f64, most: usize) -> f64 {
    let rough = end / most as f64;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(power * 10.0)
}

/// Draws the picture; the text of an SVG file.
pub fn render(comparison: &Comparison) -> Result<String, ChartError> {
    let mut text = String::new();
    draw(comparison, &mut text).map_err(|error| ChartError(error.to_string()))?;
    Ok(text)
}

fn draw(comparison: &Comparison, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let runs: Vec<_> = comparison
        .columns
        .iter()
        .filter_map(|column| Some((column, column.typical()?)))
        .filter(|(_, run)| !run.curve.is_empty())
        .collect();
    // Each load line once, with the columns that it is of.
    let mut lines: BTreeMap<Bytes, Vec<String>> = BTreeMap::new();
    for (column, run) in runs.iter().filter(|(_, run)| run.high_water_bytes > Bytes::ZERO) {
        lines.entry(run.high_water_bytes).or_default().push(column.name());
    }
    let points = || runs.iter().flat_map(|(_, run)| &run.curve);
    let most_seconds = points().map(|point| point.seconds).fold(1.0, f64::max);
    let most_bytes = points()
        .map(|point| point.hard_bytes)
        .chain(lines.keys().copied())
        .chain(comparison.limit_bytes)
        .max()
        .unwrap_or(Bytes::mib(1));
    let mb = |bytes: Bytes| bytes.0 as f64 / MIB as f64;

    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Memory that the kernel cannot drop, MB over seconds", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(FromZero(most_seconds * 1.02), FromZero(mb(most_bytes) * 1.08))?;
    chart.configure_mesh().light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.12)).x_desc("seconds").y_desc("MB").draw()?;
    for ((column, run), color) in runs.iter().zip(COLORS.into_iter().cycle()) {
        // The naive baseline is drawn thin, so that it is told from the governed one without colours too.
        let style = ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: if column.governor { 2 } else { 1 } };
        let name = format!("{} {}: {}, {}", column.name(), column.short, run.peak_memory_bytes.whole(), seconds_words(run.seconds));
        chart
            .draw_series(LineSeries::new(run.curve.iter().map(|point| (point.seconds, mb(point.hard_bytes))), style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    let mut mark = |bytes: Bytes, name: String, color: RGBColor| -> Result<(), Box<dyn std::error::Error>> {
        let across = [(0.0, mb(bytes)), (most_seconds * 1.02, mb(bytes))];
        chart
            .draw_series(DashedLineSeries::new(across, 8, 5, color.stroke_width(2)))
            .map_err(|error| error.to_string())?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        Ok(())
    };
    let is_one = lines.len() == 1;
    for (line, columns) in lines {
        let of = if is_one { String::new() } else { format!(" of {}", columns.join(", ")) };
        mark(line, format!("load line{of}: {}", line.whole()), LINE_COLOR)?;
    }
    if let Some(limit) = comparison.limit_bytes.filter(|_| comparison.limit_refused.is_none()) {
        mark(limit, format!("limit: {}", limit.whole()), RED)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()?;
    root.present()?;
    drop(chart);
    Ok(())
}
