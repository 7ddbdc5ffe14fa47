//! A table with a title, printed as text or as Markdown.

use crate::baseline::Baseline;
use crate::claims::{Alone, Claims, Protocol, Run, count};
use crate::isolation::Cost;
use crate::steady::Steady;

/// A table with a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    title: &'static str,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

// === impl Table ===

impl Table {
    /// A table of these rows.
    pub const fn new(title: &'static str, head: Vec<&'static str>, rows: Vec<Vec<String>>) -> Self {
        Self { title, head, rows }
    }

    /// Whether it has no rows.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table of one pod alone.
    pub fn alone(alone: &[Alone]) -> Self {
        let row = |one: &Alone| {
            vec![
                one.members.to_string(),
                one.claims.to_string(),
                millis(one.p50.as_secs_f64()),
                millis(one.p99.as_secs_f64()),
                one.rounds.to_string(),
                format!("{:.2}", one.writes),
            ]
        };
        Self {
            title: "One pod alone",
            head: vec![
                "etcd members",
                "claims",
                "p50, ms",
                "p99, ms",
                "round trips",
                "Raft writes per claim",
            ],
            rows: alone.iter().map(row).collect(),
        }
    }

    /// The table of herds with a name for each pod.
    pub fn herds(runs: &[Run]) -> Self {
        let row = |run: &Run| {
            let figures = &run.figures;
            vec![
                run.members.to_string(),
                figures.pods.to_string(),
                run.protocol.name().to_owned(),
                given(run),
                elapsed(run),
                seconds(figures.p50.as_secs_f64()),
                seconds(figures.p99.as_secs_f64()),
                figures.most_rounds.to_string(),
                failures(run),
                format!("{:.2}", run.writes),
                order(run),
            ]
        };
        Self {
            title: "Herds: so many pods at once, a name for each",
            head: vec![
                "etcd members",
                "pods",
                "protocol",
                "names given",
                "all held after, s",
                "p50, s",
                "p99, s",
                "most round trips",
                "failed requests",
                "Raft writes per claim",
                "lowest first, FIFO",
            ],
            rows: runs.iter().map(row).collect(),
        }
    }

    /// The table of the time and the writes of the simpler protocols, as multiples of Cairn's.
    pub fn ratios(runs: &[Run]) -> Self {
        let simple = [Baseline::OneByOne, Baseline::LowestFree].map(Protocol::Baseline);
        let row = |ours: &Run| {
            let mut row = vec![ours.members.to_string(), ours.figures.pods.to_string()];
            for protocol in simple {
                let other = runs.iter().find(|run| {
                    run.protocol == protocol
                        && run.members == ours.members
                        && run.figures.pods == ours.figures.pods
                })?;
                row.extend(ratio(ours, other));
            }
            Some(row)
        };
        let ours = runs.iter().filter(|run| run.protocol == Protocol::Cairn);
        Self {
            title: "The simpler protocols as multiples of Cairn, same run",
            head: vec![
                "etcd members",
                "pods",
                "one by one: time",
                "writes",
                "lowest free: time",
                "writes",
            ],
            rows: ours.filter_map(row).collect(),
        }
    }

    /// The table of the exhausted pool.
    pub fn handed_on(runs: &[Run]) -> Self {
        let row = |run: &Run| {
            let figures = &run.figures;
            let handed_on = figures.held.saturating_sub(run.herd.names);
            let each = figures.wall.as_secs_f64() / count(handed_on.max(1));
            vec![
                run.members.to_string(),
                figures.pods.to_string(),
                run.herd.names.to_string(),
                run.herd.quarantine.as_secs().to_string(),
                given(run),
                elapsed(run),
                if handed_on == 0 { "-".to_owned() } else { millis(each) },
                format!("{:.2}", run.writes),
                order(run),
            ]
        };
        Self {
            title: "An exhausted pool: each pod releases its name as soon as it has it",
            head: vec![
                "etcd members",
                "pods",
                "names",
                "rest, s",
                "names given",
                "last one given after, s",
                "per hand-over, ms",
                "Raft writes per pod, lease and release included",
                "FIFO",
            ],
            rows: runs.iter().map(row).collect(),
        }
    }

    /// The table of what authentication costs.
    pub fn isolation(costs: &[Cost]) -> Self {
        let row = |cost: &Cost| {
            let [off, tls, on] = [cost.off, cost.tls, cost.on].map(|time| time.as_secs_f64());
            let ratio = |time: f64| format!("{:.2}×", time / off);
            let times = [off, tls, on].map(millis);
            [vec![cost.what.to_owned()], times.to_vec(), vec![ratio(tls), ratio(on)]].concat()
        };
        Self {
            title: "With TLS and authentication",
            head: vec!["what", "without, ms", "TLS, ms", "both, ms", "TLS: ratio", "both: ratio"],
            rows: costs.iter().map(row).collect(),
        }
    }

    /// The table of held claims.
    pub fn steady(steady: &Steady) -> Self {
        let mut rows = vec![
            ("claims held throughout", steady.held.saturating_sub(steady.losses).to_string()),
            ("looked on for, s", steady.span.as_secs().to_string()),
            ("Raft writes per second", format!("{:.2}", steady.writes)),
            ("etcd: CPU, % of one core", format!("{:.1}", steady.etcd_cpu)),
            ("etcd: memory, MiB", format!("{:.0}", steady.etcd_memory)),
            ("all pods, in one process: CPU, % of one core", format!("{:.1}", steady.pods_cpu)),
        ];
        if let Some(sidecar) = steady.sidecar {
            rows.push(("one real sidecar: CPU, ms per minute", format!("{:.1}", sidecar.cpu)));
            rows.push(("one real sidecar: memory, KiB", sidecar.memory.to_string()));
        }
        let row = |(what, value): (&str, String)| vec![what.to_owned(), value];
        Self {
            title: "Held claims while nothing happens, one etcd member",
            head: vec!["what", "value"],
            rows: rows.into_iter().map(row).collect(),
        }
    }

    /// All tables of claims.
    pub fn claims(claims: &Claims) -> Vec<Self> {
        vec![
            Self::alone(&claims.alone),
            Self::herds(&claims.herds),
            Self::ratios(&claims.herds),
            Self::handed_on(&claims.handed_on),
        ]
    }

    /// The table as text, in columns.
    pub fn text(&self) -> String {
        let lines: Vec<Vec<&str>> = self.lines().collect();
        let widths: Vec<usize> = self
            .head
            .iter()
            .enumerate()
            .map(|(column, _)| {
                let cells = lines.iter().filter_map(|line| line.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
            })
            .collect();
        let mut text = format!("{}\n", self.title);
        for line in &lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            text.push_str("  ");
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// The table as Markdown, with a heading.
    pub fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n", self.title);
        for (number, line) in self.lines().enumerate() {
            text.extend(["| ", &line.join(" | "), " |\n"]);
            if number == 0 {
                text.extend(["|", &"---|".repeat(line.len()), "\n"]);
            }
        }
        text
    }

    fn lines(&self) -> impl Iterator<Item = Vec<&str>> {
        let rows = self.rows.iter().map(|row| row.iter().map(String::as_str).collect());
        std::iter::once(self.head.clone()).chain(rows)
    }
}

fn given(run: &Run) -> String {
    let figures = &run.figures;
    if run.finished {
        figures.held.to_string()
    } else {
        format!("gave up with {} of {}", figures.held, figures.pods)
    }
}

/// Pods of the simpler protocols do not count failed requests.
fn failures(run: &Run) -> String {
    match run.protocol {
        Protocol::Cairn => run.figures.failures.to_string(),
        Protocol::Baseline(_) => "-".to_owned(),
    }
}

fn order(run: &Run) -> String {
    match run.overtaken {
        None => "-".to_owned(),
        Some(_) if run.is_fair() => "yes".to_owned(),
        Some(0) if !run.figures.lowest => "NO, not the lowest".to_owned(),
        Some(0) => "NO, not by tickets".to_owned(),
        Some(overtaken) => format!("NO, {overtaken} overtaken"),
    }
}

/// Time and writes. The time of a run that did not finish is a lower bound, and its writes are not known.
fn ratio(ours: &Run, other: &Run) -> [String; 2] {
    let time = other.elapsed.as_secs_f64() / ours.elapsed.as_secs_f64();
    if other.finished {
        [format!("{time:.1}×"), format!("{:.1}×", other.writes / ours.writes)]
    } else {
        [format!("> {time:.0}×"), "-".to_owned()]
    }
}

fn elapsed(run: &Run) -> String {
    let least = if run.finished { "" } else { "> " };
    format!("{least}{}", seconds(run.elapsed.as_secs_f64()))
}

fn millis(seconds: f64) -> String {
    format!("{:.2}", seconds * 1000.0)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3}")
}

#[cfg(test)]
mod tests;
