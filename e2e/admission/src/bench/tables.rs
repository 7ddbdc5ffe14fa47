//! The tables of the page.

use cairn_bench::table::Table;

use super::app::{Figures, Run};
use super::driver::{Created, Rate};
use super::{Kind, Size, Times};

/// The rate of the targets.
const TARGET_RATE: u32 = 200;

/// Targets and what was found.
pub fn targets(figures: &Figures) -> Table {
    let run = |size| {
        let mut runs = figures.runs.iter();
        let is_it = |run: &&Run| run.kind == Kind::Cairn && is_target(run.size, run.rate, size);
        runs.find(is_it)
    };
    let whole = figures.whole.iter().find(|one| is_target(one.size, one.rate, Size::Small));
    let (small, large) = (run(Size::Small), run(Size::Large));
    let rows = vec![
        row("in the handler, 12 variables, p50, ms", 0.05, small.map(|run| run.in_handler.p50)),
        row("in the handler, 12 variables, p99, ms", 0.25, small.map(|run| run.in_handler.p99)),
        row("in the handler, 2,000 variables, p99, ms", 2.0, large.map(|run| run.in_handler.p99)),
        row("over TLS, 12 variables, p99, ms", 10.0, small.map(|run| run.over_tls.p99)),
        row("over TLS, 2,000 variables, p99, ms", 10.0, large.map(|run| run.over_tls.p99)),
        row(
            "of a pod, through an API server, 12 variables, p99, ms",
            10.0,
            whole.map(|one| one.created.times.p99),
        ),
        memory(whole.map(|one| one.resident)),
    ];
    let head = vec!["what", "target", "Cairn", "met"];
    Table::new("Targets, at 200 pods in each second", head, rows)
}

fn is_target(size: Size, rate: Rate, wanted: Size) -> bool {
    size == wanted && rate.per_second == TARGET_RATE
}

/// A target in milliseconds, and microseconds.
fn row(what: &str, target: f64, micros: Option<f64>) -> Vec<String> {
    let micros = micros.unwrap_or(f64::NAN);
    let met = if micros < target * 1_000.0 { "yes" } else { "NO" };
    vec![what.to_owned(), format!("< {target}"), millis(micros), met.to_owned()]
}

fn memory(kibi: Option<u64>) -> Vec<String> {
    const TARGET: f64 = 20.0;
    let found = kibi.map_or(f64::NAN, mebi);
    let met = if found < TARGET { "yes" } else { "NO" };
    let what = "cairn-webhook afterwards, RSS, MiB".to_owned();
    vec![what, format!("< {TARGET}"), format!("{found:.1}"), met.to_owned()]
}

/// Handlers without a server.
pub fn alone(figures: &Figures) -> Table {
    let rows = figures.alone.iter().map(|one| {
        vec![
            one.size.name().to_owned(),
            one.name.to_owned(),
            millis(one.times.p50),
            millis(one.times.p99),
            format!("{:.0}", one.allocated.count),
            format!("{:.1}", one.allocated.bytes / 1024.0),
        ]
    });
    let head = vec!["pod", "handler", "p50, ms", "p99, ms", "allocations", "KiB allocated"];
    Table::new("The handler alone", head, rows.collect())
}

/// Reviews over TLS.
pub fn served(figures: &Figures) -> Table {
    let rows = figures.runs.iter().map(|run| {
        let mut row = start(run.size, run.rate, run.kind.name());
        row.extend(pair(run.in_handler));
        row.extend(pair(run.over_tls));
        row.push(format!("{:.1}", mebi(run.resident)));
        row
    });
    let head = vec![
        "pod",
        "pods/s",
        "handler",
        "in the handler: p50, ms",
        "p99, ms",
        "over TLS: p50, ms",
        "p99, ms",
        "RSS, MiB",
    ];
    Table::new("Reviews over TLS", head, sorted(rows.collect()))
}

/// Pods that an API server creates.
pub fn created(figures: &Figures) -> Table {
    let none = || ["-".to_owned(), "-".to_owned()];
    let without = figures.without.iter().map(|(size, rate, created)| {
        line(start(*size, *rate, "without a webhook"), none(), created, None)
    });
    let with = figures.runs.iter().map(|run| {
        let start = start(run.size, run.rate, run.kind.name());
        line(start, pair(run.called), &run.created, None)
    });
    let whole = figures.whole.iter().map(|one| {
        let start = start(one.size, one.rate, "all of Cairn");
        line(start, none(), &one.created, Some(one.resident))
    });
    let head = vec![
        "pod",
        "pods/s",
        "handler",
        "in the handler: p50, ms",
        "p99, ms",
        "created: p50, ms",
        "p99, ms",
        "failed",
        "RSS, MiB",
    ];
    let rows = sorted(without.chain(with).chain(whole).collect());
    Table::new("Pods created through an API server", head, rows)
}

fn start(size: Size, rate: Rate, handler: &str) -> Vec<String> {
    vec![size.name().to_owned(), rate.per_second.to_string(), handler.to_owned()]
}

fn line(
    mut row: Vec<String>,
    in_handler: [String; 2],
    created: &Created,
    resident: Option<u64>,
) -> Vec<String> {
    row.extend(in_handler);
    row.extend(pair(created.times));
    row.push(created.failed.to_string());
    row.push(resident.map_or_else(|| "-".to_owned(), |kibi| format!("{:.1}", mebi(kibi))));
    row
}

/// By pod and rate; what is compared stands together.
fn sorted(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let rate = |row: &Vec<String>| row.get(1).and_then(|cell| cell.parse::<u32>().ok());
    rows.sort_by(|a, b| a.first().cmp(&b.first()).then_with(|| rate(a).cmp(&rate(b))));
    rows
}

fn pair(times: Times) -> [String; 2] {
    [millis(times.p50), millis(times.p99)]
}

fn millis(micros: f64) -> String {
    format!("{:.3}", micros / 1_000.0)
}

fn mebi(kibi: u64) -> f64 {
    u32::try_from(kibi).map_or(f64::NAN, f64::from) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_target_and_a_figure_that_is_not_there_are_said() {
        let met = |row: Vec<String>| row.last().cloned().unwrap();
        assert_eq!(met(row("a", 0.05, Some(49.9))), "yes");
        assert_eq!(met(row("a", 0.05, Some(50.0))), "NO");
        assert_eq!(met(row("a", 0.05, None)), "NO");
        assert_eq!(met(memory(Some(19 * 1024))), "yes");
        assert_eq!(met(memory(Some(21 * 1024))), "NO");
    }

    #[test]
    fn rows_are_by_pod_then_by_rate_as_a_number() {
        let rows = [(Size::Large, 1), (Size::Small, 200), (Size::Small, 50)];
        let rows = rows.map(|(size, per_second)| start(size, Rate { per_second, pods: 1 }, "a"));
        let sorted = sorted(rows.to_vec());
        let rates: Vec<&str> = sorted.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(rates, ["50", "200", "1"]);
    }
}
