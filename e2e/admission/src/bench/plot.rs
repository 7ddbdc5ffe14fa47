//! An SVG plot of the time of a review over the rate of pods: the small pod beside the large one.

use cairn_bench::plot::{GRID, INK, PAPER, PlotError, decades, number};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::figures::Run;
use super::{Kind, Size};

const SIZE: (u32, u32) = (1000, 440);

/// Draws both pods.
pub fn draw(runs: &[Run]) -> Result<String, PlotError> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&PAPER).map_err(PlotError::of)?;
        let (left, right) = root.split_horizontally(SIZE.0 / 2);
        panel(&left, "A pod with 12 variables, ms", runs, Size::Small)?;
        panel(&right, "A pod with 2,000 variables, ms", runs, Size::Large)?;
        root.present().map_err(PlotError::of)?;
    }
    Ok(svg)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    runs: &[Run],
    size: Size,
) -> Result<(), PlotError> {
    let runs: Vec<&Run> = runs.iter().filter(|run| run.size == size).collect();
    let millis = |micros: f64| micros / 1_000.0;
    let text = |size: u32| ("sans-serif", size).into_font().color(&INK);
    let values = runs.iter().flat_map(|run| [run.over_tls.p50, run.over_tls.p99]).map(millis);
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(17))
        .margin(14)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d((0.8..250.0).log_scale(), decades(values).log_scale())
        .map_err(PlotError::of)?;
    chart
        .configure_mesh()
        .x_desc("pods in each second")
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(PAPER)
        .label_style(text(13))
        .axis_desc_style(text(14))
        .x_label_formatter(&|rate| number(*rate))
        .y_label_formatter(&|value| number(*value))
        .draw()
        .map_err(PlotError::of)?;
    for (kind, color) in [(Kind::Cairn, RGBColor(0, 114, 178)), (Kind::Typed, RGBColor(213, 94, 0))]
    {
        let of = |value: fn(&Run) -> f64| {
            let runs = runs.iter().filter(|run| run.kind == kind);
            runs.map(move |run| (f64::from(run.rate.per_second), millis(value(run))))
                .collect::<Vec<_>>()
        };
        let style = color.stroke_width(2);
        chart
            .draw_series(LineSeries::new(of(|run| run.over_tls.p50), style))
            .map_err(PlotError::of)?
            .label(kind.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        let marks = |points: Vec<(f64, f64)>, fill: ShapeStyle| {
            points.into_iter().map(move |point| {
                EmptyElement::at(point)
                    + Circle::new((0, 0), 5, fill)
                    + Circle::new((0, 0), 5, style)
            })
        };
        chart
            .draw_series(marks(of(|run| run.over_tls.p50), color.filled()))
            .map_err(PlotError::of)?;
        chart
            .draw_series(marks(of(|run| run.over_tls.p99), PAPER.filled()))
            .map_err(PlotError::of)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(PAPER)
        .border_style(GRID)
        .label_font(text(13))
        .draw()
        .map_err(PlotError::of)
}
