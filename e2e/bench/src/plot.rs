//! An SVG plot of time and Raft writes over the size of a herd, with one line per protocol.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use thiserror::Error;

use crate::baseline::Baseline;
use crate::claims::{Protocol, Run, count};

const SIZE: (u32, u32) = (1000, 440);

/// The plot has a background of its own, so that it is readable on a dark page too.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Of letters and axes.
pub const INK: RGBColor = RGBColor(40, 44, 52);
/// Of the lines behind the plot.
pub const GRID: RGBColor = RGBColor(226, 229, 234);

/// More labels would overlap when the axis has more than two decades.
const LABELS: usize = 4;

/// The plot could not be drawn.
#[derive(Debug, Error)]
#[error("could not draw the plot: {0}")]
pub struct PlotError(String);

// === impl PlotError ===

impl PlotError {
    /// By the words of the drawing's own error.
    pub fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// One of two panels beside each other. Both axes are logarithmic.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above it.
    pub title: &'static str,
    /// What its lines are.
    pub lines: Vec<Line>,
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// In the legend.
    pub label: &'static str,
    /// Of line and marks.
    pub color: RGBColor,
    /// From left to right.
    pub points: Vec<Point>,
    /// Marks alone, without a line and without a place in the legend.
    pub only_marks: bool,
}

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// Its mark is open: the value is a bound, or of another kind.
    pub open: bool,
}

/// Draws the herds on the etcd with the fewest members.
pub fn draw(runs: &[Run]) -> Result<String, PlotError> {
    let panel = |title, lines| Panel { title, lines };
    let panels = [
        panel(
            "Until every pod has its name, seconds",
            lines(runs, |run| run.elapsed.as_secs_f64()),
        ),
        panel("Raft writes per claim", lines(runs, |run| run.writes)),
    ];
    draw_panels(&panels, "pods at once", &SeriesLabelPosition::UpperLeft)
}

/// Draws two panels with the same horizontal axis.
pub fn draw_panels(
    panels: &[Panel; 2],
    x: &str,
    legend: &SeriesLabelPosition,
) -> Result<String, PlotError> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&PAPER).map_err(PlotError::of)?;
        let (left, right) = root.split_horizontally(SIZE.0 / 2);
        for (area, panel) in [left, right].iter().zip(panels) {
            draw_panel(area, panel, x, legend)?;
        }
        root.present().map_err(PlotError::of)?;
    }
    Ok(svg)
}

fn lines(runs: &[Run], value: impl Fn(&Run) -> f64) -> Vec<Line> {
    let members = runs.iter().map(|run| run.members).min().unwrap_or_default();
    let shown = [
        (Protocol::Cairn, RGBColor(0, 114, 178)),
        (Protocol::Baseline(Baseline::OneByOne), RGBColor(213, 94, 0)),
        (Protocol::Baseline(Baseline::LowestFree), RGBColor(120, 94, 160)),
    ];
    shown
        .into_iter()
        .map(|(protocol, color)| {
            let runs = runs.iter().filter(|run| run.members == members && run.protocol == protocol);
            // A run that did not finish has a lower bound.
            let point = |run: &Run| Point {
                x: count(run.figures.pods),
                y: value(run),
                open: !run.finished,
            };
            let points = runs.map(point).collect();
            Line { label: protocol.name(), color, points, only_marks: false }
        })
        .collect()
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    Panel { title, lines }: &Panel,
    x: &str,
    legend: &SeriesLabelPosition,
) -> Result<(), PlotError> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let text = |size: u32| ("sans-serif", size).into_font().color(&INK);
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(17))
        .margin(14)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(
            near(points().map(|point| point.x)).log_scale(),
            decades(points().map(|point| point.y)).log_scale(),
        )
        .map_err(PlotError::of)?;
    chart
        .configure_mesh()
        .x_desc(x)
        .x_labels(LABELS)
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(PAPER)
        .label_style(text(13))
        .axis_desc_style(text(14))
        .x_label_formatter(&|x| number(*x))
        .y_label_formatter(&|y| number(*y))
        .draw()
        .map_err(PlotError::of)?;
    for line in lines.iter().filter(|line| !line.points.is_empty()) {
        let Line { label, color, points, only_marks } = line;
        let style = color.stroke_width(2);
        if !only_marks {
            chart
                .draw_series(LineSeries::new(points.iter().map(|point| (point.x, point.y)), style))
                .map_err(PlotError::of)?
                .label(*label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        let marks = points.iter().map(|point| {
            let fill = if point.open { PAPER.filled() } else { color.filled() };
            EmptyElement::at((point.x, point.y))
                + Circle::new((0, 0), 5, fill)
                + Circle::new((0, 0), 5, style)
        });
        chart.draw_series(marks).map_err(PlotError::of)?;
    }
    chart
        .configure_series_labels()
        .position(legend.clone())
        .background_style(PAPER)
        .border_style(GRID)
        .label_font(text(13))
        .draw()
        .map_err(PlotError::of)
}

/// A range a little larger than that of all values.
fn near(values: impl Iterator<Item = f64>) -> Range<f64> {
    /// Enough room that the axes do not cut the marks.
    const ROOM: f64 = 1.25;
    bounds(values).map_or(1.0..10.0, |(low, high)| low / ROOM..high * ROOM)
}

/// Whole decades around all values, so that the axis ends at round numbers.
pub fn decades(values: impl Iterator<Item = f64>) -> Range<f64> {
    let Some((low, high)) = bounds(values) else { return 1.0..10.0 };
    let (low, high) = (low.log10().floor(), high.log10().ceil());
    10_f64.powf(low)..10_f64.powf(high.max(low + 1.0))
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| *value > 0.0).fold(None, |bounds, value| match bounds {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// A number as a label.
pub fn number(value: f64) -> String {
    if value >= 1.0 { format!("{value:.0}") } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_whole_decades() {
        assert_eq!(decades([0.03, 45.0].into_iter()), 0.01..100.0);
        assert_eq!(decades([3.0].into_iter()), 1.0..10.0);
        assert_eq!(decades([100.0].into_iter()), 100.0..1000.0);
        assert_eq!(decades(std::iter::empty()), 1.0..10.0);
        assert_eq!(near([100.0, 200.0, 0.0].into_iter()), 80.0..250.0);
    }

    #[test]
    fn labels_have_no_needless_digits() {
        assert_eq!([0.01, 1.0, 3000.0].map(number), ["0.01", "1", "3000"]);
    }

    #[test]
    fn a_plot_of_nothing_is_still_a_picture() {
        assert!(draw(&[]).unwrap().contains("<svg"));
    }
}
