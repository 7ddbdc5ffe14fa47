//! The plots of hand-overs and of lookups, as SVG.

use std::ops::Range;
use std::time::Duration;

use cairn_core::coordination::lookup::Algorithm;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::Figures;
use crate::claims::count;
use crate::plot::{GRID, INK, PAPER, PlotError, decades, number};

const SIZE: (u32, u32) = (1000, 440);

const CAIRN: RGBColor = RGBColor(0, 114, 178);
const OTHER: RGBColor = RGBColor(213, 94, 0);

/// More points of a distribution would lie on each other.
const POINTS: usize = 200;

/// Lines with more points than this have no marks.
const MARKED: usize = 10;

/// One line of a panel.
struct Line {
    label: String,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// The axes of a panel.
struct Axes {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    /// The range of a linear vertical axis; without it, it is logarithmic around the points.
    linear: Option<Range<f64>>,
    legend: SeriesLabelPosition,
}

/// The distributions of hand-overs, and of the time until another one leads.
pub fn handovers(figures: &Figures) -> Result<String, PlotError> {
    let handovers = &figures.handovers;
    let line = |label: &str, color, sorted: &[Duration]| Line {
        label: label.to_owned(),
        color,
        points: distribution(sorted),
    };
    let shards = [
        line("Cairn", CAIRN, &handovers.cairn.verdict.gaps),
        line("propose, acknowledge, commit", OTHER, &handovers.acks.verdict.gaps),
    ];
    let leaders = [
        line("Cairn", CAIRN, &handovers.resigned),
        line("client-go's election", OTHER, &handovers.resigned_simple),
    ];
    let axes = |title, x| Axes {
        title,
        x,
        y: "percent of all",
        linear: Some(0.0..100.0),
        legend: SeriesLabelPosition::LowerRight,
    };
    draw(
        (&axes("A shard is handed over", "milliseconds without an owner"), &shards),
        (&axes("The leader resigns", "milliseconds until another one leads"), &leaders),
    )
}

/// The time of lookups over the number of members, and the loads of members.
pub fn lookups(figures: &Figures) -> Result<String, PlotError> {
    let colors = [CAIRN, OTHER, RGBColor(0, 158, 115), RGBColor(120, 94, 160)];
    let of = |points: &dyn Fn(Algorithm) -> Vec<(f64, f64)>| {
        let all = Algorithm::ALL.into_iter().zip(colors);
        all.map(|(algorithm, color)| Line {
            label: algorithm.to_string(),
            color,
            points: points(algorithm),
        })
        .collect::<Vec<_>>()
    };
    let speeds = of(&|algorithm| {
        let speeds = figures.speeds.iter().filter(|speed| speed.algorithm == algorithm);
        speeds.map(|speed| (count(speed.members), speed.took.as_secs_f64() * 1e9)).collect()
    });
    let moved = of(&|algorithm| {
        let balances = figures.balances.iter().filter(|balance| balance.algorithm == algorithm);
        balances.map(|balance| (count(balance.members), balance.most)).collect()
    });
    let axes = |title, y, linear| Axes {
        title,
        x: "members",
        y,
        linear,
        legend: SeriesLabelPosition::UpperLeft,
    };
    draw(
        (&axes("One lookup, hash included", "nanoseconds", None), &speeds),
        (
            &Axes {
                legend: SeriesLabelPosition::UpperRight,
                ..axes("The member with the most keys", "its keys, over the mean", Some(1.0..1.5))
            },
            &moved,
        ),
    )
}

/// Percent of the values that are not above a value, over the value in milliseconds.
fn distribution(sorted: &[Duration]) -> Vec<(f64, f64)> {
    let every = sorted.len().div_ceil(POINTS).max(1);
    let last = sorted.len().saturating_sub(1);
    let numbered = sorted.iter().enumerate();
    numbered
        .filter(|(index, _)| index % every == 0 || *index == last)
        .map(|(index, span)| {
            (span.as_secs_f64() * 1000.0, 100.0 * count(index + 1) / count(sorted.len()))
        })
        .collect()
}

fn draw(left: (&Axes, &[Line]), right: (&Axes, &[Line])) -> Result<String, PlotError> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&PAPER).map_err(PlotError::of)?;
        let areas = root.split_horizontally(SIZE.0 / 2);
        panel(&areas.0, left.0, left.1)?;
        panel(&areas.1, right.0, right.1)?;
        root.present().map_err(PlotError::of)?;
    }
    Ok(svg)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    axes: &Axes,
    lines: &[Line],
) -> Result<(), PlotError> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = decades(points().map(|point| point.0));
    if let Some(y) = &axes.linear {
        return chart(area, axes, lines, x, y.clone());
    }
    let y = decades(points().map(|point| point.1)).log_scale();
    chart(area, axes, lines, x, y)
}

fn chart<Y>(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    axes: &Axes,
    lines: &[Line],
    x: Range<f64>,
    y: Y,
) -> Result<(), PlotError>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let text = |size: u32| ("sans-serif", size).into_font().color(&INK);
    let mut chart = ChartBuilder::on(area)
        .caption(axes.title, text(17))
        .margin(14)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(x.log_scale(), y)
        .map_err(PlotError::of)?;
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(PAPER)
        .label_style(text(13))
        .axis_desc_style(text(14))
        .x_label_formatter(&|value| number(*value))
        .y_label_formatter(&|value| axes.label(*value))
        .draw()
        .map_err(PlotError::of)?;
    for Line { label, color, points } in lines.iter().filter(|line| !line.points.is_empty()) {
        let style = color.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))
            .map_err(PlotError::of)?
            .label(label.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        if points.len() <= MARKED {
            let marks = points.iter().map(|point| Circle::new(*point, 4, color.filled()));
            chart.draw_series(marks).map_err(PlotError::of)?;
        }
    }
    chart
        .configure_series_labels()
        .position(axes.legend.clone())
        .background_style(PAPER)
        .border_style(GRID)
        .label_font(text(13))
        .draw()
        .map_err(PlotError::of)
}

// === impl Axes ===

impl Axes {
    fn label(&self, value: f64) -> String {
        let is_narrow = self.linear.as_ref().is_some_and(|range| range.end - range.start < 10.0);
        if is_narrow { format!("{value:.2}") } else { number(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_ends_with_the_largest_value_at_all_of_them() {
        let sorted: Vec<Duration> = (1..=1000).map(Duration::from_millis).collect();
        let points = distribution(&sorted);
        assert!(points.len() <= POINTS + 1, "{}", points.len());
        assert_eq!(points.last(), Some(&(1000.0, 100.0)));
        assert_eq!(points.first(), Some(&(1.0, 0.1)));
        assert!(distribution(&[]).is_empty());
    }

    #[test]
    fn plots_of_nothing_are_still_pictures() {
        let figures = Figures::default();
        assert!(handovers(&figures).unwrap().contains("<svg"));
        assert!(lookups(&figures).unwrap().contains("<svg"));
    }
}
