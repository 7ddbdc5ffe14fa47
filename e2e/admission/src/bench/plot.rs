//! An SVG plot of the time of a review over the rate of pods: the small pod beside the large one.

use cairn_bench::plot::{Line, Panel, PlotError, Point, draw_panels};
use plotters::prelude::{RGBColor, SeriesLabelPosition};

use super::figures::Run;
use super::{Kind, Size};

/// Draws both pods.
pub fn draw(runs: &[Run]) -> Result<String, PlotError> {
    let panel = |title, size| Panel { title, lines: lines(runs, size) };
    let panels = [
        panel("A pod with 12 variables, ms", Size::Small),
        panel("A pod with 2,000 variables, ms", Size::Large),
    ];
    draw_panels(&panels, "pods in each second", &SeriesLabelPosition::UpperRight)
}

/// For each handler a line through its p50, and open marks for its p99.
fn lines(runs: &[Run], size: Size) -> Vec<Line> {
    let colors = [(Kind::Cairn, RGBColor(0, 114, 178)), (Kind::Typed, RGBColor(213, 94, 0))];
    let line = |kind: Kind, color, open, micros: fn(&Run) -> f64| {
        let runs = runs.iter().filter(|run| run.size == size && run.kind == kind);
        let point = |run: &Run| {
            let x = f64::from(run.rate.per_second);
            Point { x, y: micros(run) / 1_000.0, open }
        };
        Line { label: kind.name(), color, points: runs.map(point).collect(), only_marks: open }
    };
    let both = |(kind, color)| {
        [
            line(kind, color, false, |run| run.over_tls.p50),
            line(kind, color, true, |run| run.over_tls.p99),
        ]
    };
    colors.into_iter().flat_map(both).collect()
}
