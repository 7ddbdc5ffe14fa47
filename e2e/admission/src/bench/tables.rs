//! The tables of the page.

use cairn_bench::table::Table;

use super::cost::Cost;
use super::creations::is_met;
use super::driver::Rate;
use super::figures::{Creation, Figures, Run, With};
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
    let is_whole =
        |one: &&Creation| one.with == With::All && is_target(one.size, one.rate, Size::Small);
    let whole = figures.creations.iter().find(is_whole);
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
        memory(whole.and_then(|one| one.resident)),
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
            millis(one.cold.p50),
            millis(one.cold.p99),
            format!("{:.0}", one.allocated.count),
            format!("{:.1}", one.allocated.bytes / 1024.0),
        ]
    });
    let head = vec![
        "pod",
        "handler",
        "p50, ms",
        "p99, ms",
        "cold: p50, ms",
        "p99, ms",
        "allocations",
        "KiB allocated",
    ];
    Table::new("The handler alone", head, rows.collect())
}

/// Reviews over TLS.
pub fn served(figures: &Figures) -> Table {
    let rows = figures.runs.iter().map(|run| Row {
        start: start(run.size, run.rate, run.kind.name()),
        in_handler: Some(run.in_handler),
        outside: run.over_tls,
        failed: None,
        resident: Some(run.resident),
    });
    timed("Reviews over TLS", "over TLS: p50, ms", rows)
}

/// Pods that an API server creates.
pub fn created(figures: &Figures) -> Table {
    let rows = figures.creations.iter().map(|one| Row {
        start: start(one.size, one.rate, one.with.name()),
        in_handler: one.in_handler,
        outside: one.created.times,
        failed: Some(one.created.failed),
        resident: one.resident,
    });
    timed("Pods created through an API server", "created: p50, ms", rows)
}

/// Where the time of a pod goes, by the API server's own metrics.
pub fn costs(figures: &Figures) -> Table {
    let rows = figures.creations.iter().filter(|one| one.size == Size::Small).map(|one| {
        let Cost { request, calls, mutating, policies, others, called, .. } = one.cost;
        let rest = request - calls - mutating - policies - others;
        let mut row = vec![one.rate.per_second.to_string(), one.with.name().to_owned()];
        row.push(format!("{called:.2}"));
        row.extend([request, calls, mutating, policies, others, rest].map(|ms| format!("{ms:.2}")));
        row
    });
    let head = vec![
        "pods/s",
        "with",
        "calls of the webhook",
        "whole request, ms",
        "calls, ms",
        "other mutating admission, ms",
        "policies, ms",
        "other admission, ms",
        "outside of admission, ms",
    ];
    Table::new("Where the API server spends the time of a pod", head, by_rate(rows.collect()))
}

/// What a pod costs the machine.
pub fn processors(figures: &Figures) -> Table {
    let rows = figures.creations.iter().filter(|one| one.size == Size::Small).map(|one| {
        let Cost { api_server, webhook, client, busy, .. } = one.cost;
        let mut row = vec![one.rate.per_second.to_string(), one.with.name().to_owned()];
        row.extend([api_server, webhook, client].map(|ms| format!("{ms:.2}")));
        row.push(percent(busy));
        row
    });
    let head = vec![
        "pods/s",
        "with",
        "API server, CPU ms per pod",
        "webhook, CPU ms per pod",
        "client, CPU ms per pod",
        "all CPUs in use",
    ];
    Table::new("What a pod costs the machine", head, by_rate(rows.collect()))
}

/// The small pod at ever higher rates.
pub fn climbs(figures: &Figures) -> Table {
    let found = |with, per_second| {
        let mut all = figures.climbs.iter();
        all.find(|one| one.with == with && one.rate.per_second == per_second)
    };
    let mut rates: Vec<u32> = figures.climbs.iter().map(|one| one.rate.per_second).collect();
    rates.sort_unstable();
    rates.dedup();
    let cells = |one: Option<&Creation>| match one {
        None => ["-", "-", "-"].map(str::to_owned),
        Some(one) => {
            let [p50, p99] = pair(one.created.times);
            [p50, p99, percent(one.cost.busy)]
        }
    };
    let rows = rates.into_iter().map(|rate| {
        let mut row = vec![rate.to_string()];
        row.extend(
            [With::Nothing, With::All].into_iter().flat_map(|with| cells(found(with, rate))),
        );
        row
    });
    let head = vec![
        "pods/s",
        "no Cairn: p50, ms",
        "p99, ms",
        "CPUs in use",
        "all of Cairn: p50, ms",
        "p99, ms",
        "CPUs in use",
    ];
    Table::new("The highest rate", head, rows.collect())
}

/// The highest rate up to which every p99 is below the limit; `None` if there is none.
pub fn highest(figures: &Figures, with: With) -> Option<u32> {
    let climb = figures.climbs.iter().filter(|one| one.with == with);
    climb.take_while(|one| is_met(one)).map(|one| one.rate.per_second).last()
}

/// One row of times within the handler and outside of it.
struct Row {
    start: Vec<String>,
    in_handler: Option<Times>,
    outside: Times,
    failed: Option<usize>,
    resident: Option<u64>,
}

/// A table of such rows. The column of failures is there if a row has one.
fn timed(title: &'static str, outside: &'static str, rows: impl Iterator<Item = Row>) -> Table {
    let rows: Vec<Row> = rows.collect();
    let counts = rows.iter().any(|row| row.failed.is_some());
    let mut head = vec!["pod", "pods/s", "handler", "in the handler: p50, ms", "p99, ms"];
    head.extend([outside, "p99, ms"]);
    head.extend(counts.then_some("failed"));
    head.push("RSS, MiB");
    let none = || "-".to_owned();
    let cells = |row: Row| {
        let mut cells = row.start;
        cells.extend(row.in_handler.map_or_else(|| [none(), none()], pair));
        cells.extend(pair(row.outside));
        cells.extend(row.failed.map(|failed| failed.to_string()));
        cells.push(row.resident.map_or_else(none, |kibi| format!("{:.1}", mebi(kibi))));
        cells
    };
    Table::new(title, head, sorted(rows.into_iter().map(cells).collect()))
}

fn start(size: Size, rate: Rate, handler: &str) -> Vec<String> {
    vec![size.name().to_owned(), rate.per_second.to_string(), handler.to_owned()]
}

/// By rate; what is compared stands together.
fn by_rate(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.sort_by_key(|row| row.first().and_then(|cell| cell.parse::<u32>().ok()));
    rows
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

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
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
