//! The page `docs/mirror-benchmarks.md`. All of its figures are from the run that writes it.

use std::time::Duration;

use super::Figures;
use super::lags::Lags;
use crate::coordination::tables::span;
use crate::table::Table;

/// The webhook's memory stays below this, in KiB.
const MOST_MEMORY: u64 = 64 * 1024;

/// An annotation comes sooner than this after the claim.
const LATEST: Duration = Duration::from_secs(1);

// === impl Figures ===

impl Figures {
    /// Whether the targets are met, and all annotations came.
    pub fn judge(&self) -> Result<(), String> {
        let missed: Vec<&str> = targets(self)
            .into_iter()
            .filter(|target| !target.met)
            .map(|target| target.what)
            .collect();
        if missed.is_empty() { Ok(()) } else { Err(format!("not met: {}", missed.join("; "))) }
    }

    /// The largest memory of both webhooks.
    fn largest(&self) -> u64 {
        self.peak.max(self.restarted_peak)
    }
}

struct Target {
    what: &'static str,
    limit: String,
    measured: String,
    met: bool,
}

fn targets(figures: &Figures) -> Vec<Target> {
    let within = |what, lags: &Lags, percent| Target {
        what,
        limit: format!("< {}", span(LATEST)),
        measured: span(lags.percentile(percent)),
        met: lags.count() > 0 && lags.percentile(percent) < LATEST,
    };
    let memory = |what, found: u64| Target {
        what,
        limit: format!("< {}", mebibytes(MOST_MEMORY)),
        measured: mebibytes(found),
        met: found > 0 && found < MOST_MEMORY,
    };
    vec![
        memory("memory with all claims", figures.full),
        memory("memory at most, a restart with all claims included", figures.largest()),
        within("from a claim to its annotation, p50", &figures.steady, 50),
        within("from a claim to its annotation, p99", &figures.steady, 99),
        within("from the removal of annotations to their return, p99", &figures.repaired, 99),
    ]
}

/// Both tables.
pub fn tables(figures: &Figures) -> [Table; 2] {
    let met = |target: Target| {
        let met = if target.met { "yes" } else { "NO" };
        vec![target.what.to_owned(), target.limit, target.measured, met.to_owned()]
    };
    let targets = targets(figures).into_iter().map(met).collect();
    let targets = Table::new("Targets", vec!["what", "target", "measured", "met"], targets);
    [targets, everything(figures)]
}

/// All that was measured.
pub fn everything(figures: &Figures) -> Table {
    Table::new("Everything", vec!["what", "value"], rows(figures))
}

fn rows(figures: &Figures) -> Vec<Vec<String>> {
    let lags = |lags: &Lags| {
        let [p50, p99] = [50, 99].map(|percent| span(lags.percentile(percent)));
        format!("{p50}, {p99}, {}", span(lags.longest()))
    };
    let restarted = mebibytes(figures.restarted);
    let rows = [
        ("claims, in two pools of scope Cluster", figures.steady.count().to_string()),
        ("pods created and claimed in a second", format!("{:.0}", figures.rate)),
        ("claim to annotation: p50, p99, longest", lags(&figures.steady)),
        ("webhook: CPU for each claim", span(figures.cpu)),
        ("webhook: memory without pods", mebibytes(figures.empty)),
        ("webhook: memory with all claims", mebibytes(figures.full)),
        ("webhook: memory at most until here", mebibytes(figures.peak)),
        ("pods that claimed at once", figures.burst.count().to_string()),
        ("these: claim to annotation: p50, p99, longest", lags(&figures.burst)),
        ("of it, until etcd has answered the claim: p50, p99, longest", lags(&figures.answered)),
        ("times that a write waited for the limit meanwhile", format!("{:.0}", figures.limited)),
        ("pods whose annotations were removed at once", figures.repaired.count().to_string()),
        ("these: removal to return: p50, p99, longest", lags(&figures.repaired)),
        ("another webhook with all claims: until it is ready", span(figures.ready)),
        ("until annotations are back that were removed before it", span(figures.recovered)),
        ("its memory, and at most", format!("{restarted}, {}", mebibytes(figures.restarted_peak))),
        ("writes that failed", format!("{:.0}", figures.failures)),
    ];
    rows.map(|(what, value)| vec![what.to_owned(), value]).into()
}

/// The whole page.
pub fn write(figures: &Figures) -> String {
    let Figures { date, machine, args, .. } = figures;
    let [targets, all] = tables(figures).map(|table| table.markdown());
    format!(
        "# Benchmarks of the claims mirror

<!-- Written by `make bench-mirror`; change e2e/bench instead. -->

Measured on {date} on {machine}. The API server, its etcd, the etcd of claims, the webhook and the load share that
machine. Run it again with

```sh
make bench-mirror
```

The webhook is the release binary with the chart's account, permissions and policies, and with the default limit of
requests. There are no nodes: nobody else writes to the pods. Pods are as admission leaves them, some 5 KB each, in 20
namespaces. Claims are the sidecar's transactions, one lease and one claim for each pod, on an etcd with TLS and
authentication.

{targets}
{all}
*Claim to annotation* begins when the claim is sent to etcd, and ends when a watch of pods shows the annotation. Memory
is the resident memory of the process, and *at most* is what the kernel has counted as its highest.

{burst} pods claim at once: what exceeds the [limit of requests](operations.md#load-on-the-api-server) is written later.
Annotations are removed as soon as the burst is over, so that the limit is used up then. The other webhook is started
after the first was killed: it lists everything, and leads when it has the Lease.
",
        burst = args.burst,
    )
}

fn mebibytes(kib: u64) -> String {
    let kib = f64::from(u32::try_from(kib).unwrap_or(u32::MAX));
    format!("{:.1} MiB", kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(memory: u64, lag: u64) -> Figures {
        let lags = || Lags::new(vec![Duration::from_millis(lag)]);
        Figures {
            full: memory,
            peak: memory,
            steady: lags(),
            repaired: lags(),
            ..Figures::default()
        }
    }

    #[test]
    fn a_run_that_misses_a_target_fails_and_says_which() {
        assert_eq!(figures(30_000, 40).judge(), Ok(()));
        let slow = figures(30_000, 1000).judge().unwrap_err();
        assert!(slow.contains("p99") && !slow.contains("memory"), "{slow}");
        assert!(figures(70_000, 40).judge().unwrap_err().contains("memory with all claims"));
        assert!(Figures::default().judge().is_err(), "nothing was measured");
    }

    #[test]
    fn every_row_has_a_cell_for_every_column() {
        for table in tables(&figures(30_000, 40)) {
            let text = table.markdown();
            let bars: Vec<usize> =
                text.lines().skip(2).map(|line| line.matches('|').count()).collect();
            assert!(!table.is_empty() && bars.iter().all(|count| *count == bars[0]), "{text}");
        }
        assert!(write(&figures(30_000, 40)).contains("| 29.3 MiB | yes |"));
    }
}
