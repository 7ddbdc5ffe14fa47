//! The page `docs/admission-benchmarks.md`. All of its figures are from the run that writes it.

use cairn_bench::table::Table;

use super::Times;
use super::app::Figures;

/// What the page says about the run besides its figures.
#[derive(Clone, Debug)]
pub struct Facts {
    date: String,
    machine: String,
    load: String,
    kubernetes: String,
}

// === impl Facts ===

impl Facts {
    /// Of this machine, now.
    pub fn of(kubernetes: &str) -> Self {
        let now = cairn_kit::clock::now().wall.to_string();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            date: now.split('T').next().unwrap_or_default().to_owned(),
            machine: cairn_bench::machine::words(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            kubernetes: kubernetes.trim_start_matches('v').to_owned(),
        }
    }
}

/// The whole page.
pub fn write(facts: &Facts, figures: &Figures) -> String {
    let Facts { date, machine, load, kubernetes } = facts;
    let (alone, served) = (alone(figures).markdown(), served(figures).markdown());
    let (created, targets) = (created(figures).markdown(), targets(figures).markdown());
    format!(
        "# Benchmarks of admission

<!-- Written by `make bench-admission`; change e2e/admission instead. -->

Measured on {date} with Kubernetes {kubernetes} on {machine}. The handler's server, its client, the API server and etcd
share that machine; its load average was {load} at the end. Run it again with

```sh
make bench-admission
```

![Time of a review over the rate of pods](admission.svg)

Reviews over TLS, both axes logarithmic; solid lines are p50, open circles p99.

## What is compared

- **Cairn**: the handler of `cairn-webhook`. It reads the few fields that it needs from the raw pod, decides, and writes
  operations.
- **Typed structs**: reads the pod into the structs of `k8s-openapi`, adds the same parts, writes pod and changed pod as
  JSON values and compares them with `json-patch`, as injectors commonly do. It decides nothing: no annotations are
  read, no pool is looked up.

Both get the same reviews behind the same server (TLS, two threads) and answer with the same pod. The small pod has 12
variables, the other one 2,000. Requests come at their rate whether or not earlier ones are answered, and a time begins
when its request is due. There are 15 pods at one a second, 500 at 50 and 2,000 at 200.

{targets}
{alone}
A review after the other on one thread. Reallocations count as allocations.

{served}
*In the handler* is from the read body to the written answer. *Over TLS* is what a client sees on connections that it
keeps. *RSS* is the server's process after that row.

{created}
Dry runs of `kubectl create`, without the write to etcd. *Without a webhook* is the same pod without Cairn's
annotations. The rest is the API server's own: it writes and reads the pod for each call, and parses the patch.
"
    )
}

fn targets(figures: &Figures) -> Table {
    use super::{Kind, Size};
    let run = |size, rate| {
        figures.runs.iter().find(move |run| {
            run.kind == Kind::Cairn && run.size == size && run.rate.per_second == rate
        })
    };
    let mut rows = Vec::new();
    let mut row = |what: &str, target: f64, found: Option<f64>| {
        let found = found.unwrap_or(f64::NAN);
        let met = if found < target { "yes" } else { "no" };
        rows.push(vec![what.to_owned(), millis(target), millis(found), met.to_owned()]);
    };
    let (small, large) = (run(Size::Small, 200), run(Size::Large, 200));
    row("p50 in the handler, 12 variables", 50.0, small.map(|run| run.in_handler.p50));
    row("p99 in the handler, 12 variables", 250.0, small.map(|run| run.in_handler.p99));
    row("p99 in the handler, 2,000 variables", 2_000.0, large.map(|run| run.in_handler.p99));
    row("p99 over TLS, 12 variables", 10_000.0, small.map(|run| run.over_tls.p99));
    row("p99 over TLS, 2,000 variables", 10_000.0, large.map(|run| run.over_tls.p99));
    Table::new(
        "Targets, at 200 pods in each second",
        vec!["what", "target, ms", "Cairn, ms", "met"],
        rows,
    )
}

fn alone(figures: &Figures) -> Table {
    let rows = figures.alone.iter().map(|one| {
        vec![
            one.size.name().to_owned(),
            one.kind.name().to_owned(),
            millis(one.times.p50),
            millis(one.times.p99),
            format!("{:.0}", one.allocations),
            format!("{:.1}", one.bytes / 1024.0),
        ]
    });
    let head = vec!["pod", "handler", "p50, ms", "p99, ms", "allocations", "KiB allocated"];
    Table::new("The handler alone", head, rows.collect())
}

fn served(figures: &Figures) -> Table {
    let rows = figures.runs.iter().map(|run| {
        let mut row = vec![
            run.size.name().to_owned(),
            run.rate.per_second.to_string(),
            run.kind.name().to_owned(),
        ];
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

fn created(figures: &Figures) -> Table {
    let with = figures.runs.iter().map(|run| {
        let mut row = vec![
            run.size.name().to_owned(),
            run.rate.per_second.to_string(),
            run.kind.name().to_owned(),
        ];
        row.extend(pair(run.called));
        row.extend(pair(run.created));
        row
    });
    let without = figures.without.iter().map(|(size, rate, times)| {
        let words = [size.name(), "", "without a webhook", "-", "-"];
        let mut row: Vec<String> = words.into_iter().map(str::to_owned).collect();
        if let Some(cell) = row.get_mut(1) {
            *cell = rate.per_second.to_string();
        }
        row.extend(pair(*times));
        row
    });
    let head = vec![
        "pod",
        "pods/s",
        "handler",
        "in the handler: p50, ms",
        "p99, ms",
        "created: p50, ms",
        "p99, ms",
    ];
    Table::new("Pods created through an API server", head, sorted(without.chain(with).collect()))
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
