//! The page `docs/scale-benchmarks.md`. All of its figures are from the run that writes it.

use std::time::Duration;

use super::rolling::Rolling;
use super::squeezed::{Run, Squeezed};
use crate::coordination::tables::span;
use crate::table::Table;

/// With half of the CPU a herd takes at most so many times as long.
const MOST: f64 = 2.5;

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The day of the run.
    pub date: String,
    /// The description of the machine.
    pub machine: String,
    /// etcd's version.
    pub etcd: String,
    /// The fleet.
    pub rolling: Option<Rolling>,
    /// The herds.
    pub squeezed: Vec<Squeezed>,
}

// === impl Figures ===

impl Figures {
    /// Whether nobody has lost a claim, no name had two holders, and no herd collapsed.
    pub fn judge(&self) -> Result<(), String> {
        if let Some(Rolling { troubles, .. }) = &self.rolling
            && (troubles.lost > 0 || troubles.doubled > 0)
        {
            let (lost, doubled) = (troubles.lost, troubles.doubled);
            return Err(format!("claims lost: {lost}; names held by two pods: {doubled}"));
        }
        let collapsed = self.squeezed.iter().find(|herd| !is_calm(herd));
        collapsed.map_or(Ok(()), |herd| {
            Err(format!("a herd of {} takes too long with half of the CPU", herd.pods))
        })
    }
}

fn is_calm(herd: &Squeezed) -> bool {
    herd.ratio().is_some_and(|ratio| ratio <= MOST)
}

/// Both tables.
pub fn tables(figures: &Figures) -> [Table; 2] {
    [fleet(figures), herds(figures)]
}

/// The whole page.
pub fn write(figures: &Figures) -> String {
    let Figures { date, machine, etcd, .. } = figures;
    let [fleet, herds] = tables(figures).map(|table| table.markdown());
    format!(
        "# Benchmarks of many pods

<!-- Written by `make bench-scale`; change e2e/bench instead. -->

Measured on {date} with etcd {etcd} on {machine}. All members of etcd and all pods share that machine. Run it again, as
root, with

```sh
make bench-scale
```

A pod is the lease machine of the sidecar with the sidecar's store, on a connection of its own without TLS. All pods are
in one process, on a thread for each CPU. [What these figures mean for an etcd](scale.md) explains them.

{fleet}
Pods start 5 % at a time, in pools of at most 5,000 names. Then the members of etcd are restarted one after the other,
and all pods are replaced, 5 % at a time, new ones first.
*Lost*: a pod that was not told to end holds its name no longer, or under another fence.

{herds}
Each herd starts at once on a fresh etcd of one member, which has a whole CPU or half of it by a control group. The time
contains the opening of all connections. A herd is given up after four minutes. *Times as long* must not exceed {MOST}:
an etcd that is slow must not be asked more often because it is slow.
"
    )
}

fn fleet(figures: &Figures) -> Table {
    let rows = figures.rolling.as_ref().map(rows).unwrap_or_default();
    Table::new("A fleet on three members", vec!["what", "value"], rows)
}

fn rows(fleet: &Rolling) -> Vec<Vec<String>> {
    let mebibytes = |bytes: f64| format!("{:.0} MiB", bytes / 1024.0 / 1024.0);
    let pods = crate::claims::count(fleet.pods.max(1));
    let members = crate::claims::count(fleet.members.max(1));
    let each = (fleet.memory - fleet.empty_memory) / pods / 1024.0;
    let restarts: Vec<String> = fleet.restarts.iter().map(|took| span(*took)).collect();
    let rows = [
        ("pods", fleet.pods.to_string()),
        ("started 5 % at a time: until every pod had a name", span(fleet.claimed)),
        ("p99 of a pod, from its start to its name", span(fleet.p99)),
        ("etcd, one member without pods: memory", mebibytes(fleet.empty_memory / members)),
        ("etcd, one member with all pods: memory", mebibytes(fleet.memory / members)),
        ("etcd, all members: memory for each pod", format!("{each:.1} KiB")),
        ("etcd, all members: connections for each pod", format!("{:.2}", fleet.connections / pods)),
        ("etcd: database in use", mebibytes(fleet.database)),
        ("nothing happens: Raft writes per second", format!("{:.2}", fleet.writes)),
        ("nothing happens: CPU of all members, cores", format!("{:.2}", fleet.cpu)),
        ("nothing happens: etcd sends, per second and pod", format!("{:.0} B", fleet.sent / pods)),
        ("one pod in this benchmark: memory", format!("{:.0} KiB", fleet.pod_memory)),
        ("restarts of members: until each was healthy", restarts.join(", ")),
        ("restarts of members: failed requests", fleet.etcd_troubles.failed.to_string()),
        ("restarts of members: claims lost", fleet.etcd_troubles.lost.to_string()),
        ("all pods replaced after", span(fleet.replaced)),
        ("Raft writes for each replaced pod", format!("{:.2}", fleet.replaced_writes)),
        ("claims lost in all", fleet.troubles.lost.to_string()),
        ("names with two holders at one instant", fleet.troubles.doubled.to_string()),
    ];
    rows.map(|(what, value)| vec![what.to_owned(), value]).into()
}

fn herds(figures: &Figures) -> Table {
    let took = |run: &Run| run.took.map_or_else(|| "given up".to_owned(), span);
    let row = |herd: &Squeezed| {
        let ratio = herd.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let mut row = vec![herd.pods.to_string(), took(&herd.whole), took(&herd.half), ratio];
        row.push(if is_calm(herd) { "yes" } else { "NO" }.to_owned());
        for run in [&herd.whole, &herd.half] {
            row.push(run.troubles.failed.to_string());
            row.push(format!("{:.1}", run.requests));
            row.push(format!("{:.2}", run.writes));
            row.push(span(Duration::from_micros(
                u64::try_from(run.cpu.as_micros()).unwrap_or(u64::MAX),
            )));
        }
        row
    };
    Table::new(
        "Herds on a whole CPU and on half of it",
        vec![
            "pods",
            "whole",
            "half",
            "times as long",
            "met",
            "whole: failed requests",
            "requests per pod",
            "Raft writes per pod",
            "etcd's CPU per pod",
            "half: failed requests",
            "requests per pod",
            "Raft writes per pod",
            "etcd's CPU per pod",
        ],
        figures.squeezed.iter().map(row).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::roll::Troubles;

    fn herd(half: Option<u64>) -> Squeezed {
        let run =
            |seconds: Option<u64>| Run { took: seconds.map(Duration::from_secs), ..Run::default() };
        Squeezed { pods: 5000, whole: run(Some(4)), half: run(half) }
    }

    #[test]
    fn a_herd_that_takes_more_than_its_share_of_time_fails_and_so_does_a_lost_claim() {
        let of = |herd| Figures { squeezed: vec![herd], ..Figures::default() };
        assert_eq!(of(herd(Some(10))).judge(), Ok(()));
        assert!(of(herd(Some(11))).judge().is_err());
        assert!(of(herd(None)).judge().is_err());
        let troubles = Troubles { lost: 1, ..Troubles::default() };
        let rolling = Some(Rolling { troubles, ..Rolling::default() });
        assert!(Figures { rolling, ..Figures::default() }.judge().is_err());
    }

    #[test]
    fn every_row_has_a_cell_for_every_column() {
        let rolling = Some(Rolling { pods: 10, members: 3, ..Rolling::default() });
        let figures =
            Figures { rolling, squeezed: vec![herd(None), herd(Some(9))], ..Figures::default() };
        for table in tables(&figures) {
            let text = table.markdown();
            let bars: Vec<usize> =
                text.lines().skip(2).map(|line| line.matches('|').count()).collect();
            assert!(!table.is_empty() && bars.iter().all(|count| *count == bars[0]), "{text}");
        }
        assert!(write(&figures).contains("| 10 |"));
    }
}
