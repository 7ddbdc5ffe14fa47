//! The table of targets, each beside what was measured.

use std::time::Duration;

use cairn_core::coordination::lookup::Algorithm;

use super::{ends, kilobytes, span};
use crate::coordination::Figures;
use crate::coordination::handover::HandOvers;
use crate::coordination::journal::Verdict;
use crate::coordination::lookups::Speed;
use crate::coordination::rollout::Rollout;
use crate::coordination::scale::{Change, Scale};
use crate::table::Table;

/// Whether a figure is what it should be.
const MET: [&str; 2] = ["NO", "yes"];

/// A row of a figure and its target.
struct Target {
    what: String,
    limit: &'static str,
    found: String,
    met: bool,
}

/// Every target, whether it is met or not.
pub(super) fn targets(figures: &Figures) -> Table {
    let mut rows = Vec::new();
    rows.extend(lookup_targets(figures));
    for planned in &figures.plans {
        let (most, target) = if planned.members == 50 {
            (Duration::from_micros(200), "< 200 µs")
        } else {
            (Duration::from_millis(2), "< 2 ms")
        };
        let of = format!("plan, 10,000 shards over {}", planned.members);
        rows.push(below(format!("{of}, one joins"), planned.joins, most, target));
        rows.push(below(format!("{of}, one drains"), planned.drains, most, target));
        let most = Duration::from_millis(30);
        rows.push(below(format!("{of}, first map"), planned.first, most, "< 30 ms"));
    }
    if figures.handovers.members > 0 {
        rows.extend(handover_targets(&figures.handovers));
    }
    if figures.rollout.pods > 0 {
        rows.extend(rollout_targets(&figures.rollout));
    }
    if figures.scale.members > 0 {
        rows.extend(scale_targets(&figures.scale));
    }
    if let Some(why) = &figures.scale_failure {
        rows.push(Target {
            what: "the large group is measured".to_owned(),
            limit: "yes",
            found: why.clone(),
            met: false,
        });
    }
    let row = |row: Target| {
        let met = MET.get(usize::from(row.met)).copied().unwrap_or_default();
        vec![row.what, row.limit.to_owned(), row.found, met.to_owned()]
    };
    Table::new(
        "Targets",
        vec!["what", "target", "measured", "met"],
        rows.into_iter().map(row).collect(),
    )
}

fn lookup_targets(figures: &Figures) -> impl Iterator<Item = Target> {
    let targets = [
        (Algorithm::Map, 20, "< 20 ns"),
        (Algorithm::Rendezvous, 60, "< 60 ns"),
        (Algorithm::Ring, 80, "< 80 ns"),
        (Algorithm::Multiprobe, 400, "< 400 ns"),
    ];
    targets.into_iter().filter_map(|(algorithm, most, target)| {
        let of = |speed: &&Speed| (speed.algorithm, speed.members) == (algorithm, 10);
        let took = figures.speeds.iter().find(of)?.took;
        let what = format!("lookup with hash, {algorithm}, 10 members");
        Some(below(what, took, Duration::from_nanos(most), target))
    })
}

fn handover_targets(handovers: &HandOvers) -> Vec<Target> {
    let (p50, p99) = ends(&handovers.cairn.verdict.gaps);
    let (_, resigned) = ends(&handovers.resigned);
    let millis = Duration::from_millis;
    let what = |percent| format!("hand-over per shard, confirmed, {percent}");
    let mut rows = vec![
        below(what("p50"), p50, millis(15), "< 15 ms"),
        below(what("p99"), p99, millis(50), "< 50 ms"),
        below("leader resigns, p99".to_owned(), resigned, millis(50), "< 50 ms"),
    ];
    rows.extend(never("hand-overs", &handovers.cairn.verdict));
    rows
}

fn rollout_targets(rollout: &Rollout) -> Vec<Target> {
    let of = format!("rollout of {} pods, {} shards", rollout.pods, rollout.shards);
    let mut rows = vec![Target {
        what: format!("{of}, moves per shard"),
        limit: "≤ 1.15",
        found: format!("{:.3}", rollout.moves),
        met: rollout.moves <= 1.15,
    }];
    rows.extend(never("rollout", &rollout.verdict));
    rows
}

fn never(of: &str, verdict: &Verdict) -> [Target; 2] {
    let row = |what: &str, found: usize| Target {
        what: format!("{of}: {what}"),
        limit: "never",
        found: found.to_string(),
        met: found == 0,
    };
    [
        row("two owners at one instant", verdict.overlaps),
        row("a fence that is not greater than the one before", verdict.old_fences),
    ]
}

fn scale_targets(scale: &Scale) -> Vec<Target> {
    let of = format!("{} members, {} shards", scale.members, scale.shards);
    let most = |value: &dyn Fn(&Change) -> f64| scale.joins.iter().map(value).fold(0.0, f64::max);
    let (writes, bytes) = (most(&|join| join.writes), most(&|join| join.bytes));
    let (_, p99) = ends(&scale.applied);
    let mut rows = vec![
        below(
            format!("{of}, one joins: each change applied by all, p99"),
            p99,
            Duration::from_secs(1),
            "< 1 s",
        ),
        Target {
            what: format!("{of}, one joins: Raft writes"),
            limit: "≤ 20",
            found: format!("{writes:.0}"),
            met: writes <= 20.0,
        },
        Target {
            what: format!("{of}, one joins: watch bytes per member"),
            limit: "≤ 2.5 kB",
            found: kilobytes(bytes),
            met: bytes <= 2500.0,
        },
        Target {
            what: format!("{of}, steady: Raft writes per second"),
            limit: "0",
            found: format!("{:.2}", scale.writes),
            met: scale.writes == 0.0,
        },
        Target {
            what: format!("{of}, steady: CPU of etcd, cores"),
            limit: "≤ 0.3",
            found: format!("{:.2}", scale.etcd_cpu),
            met: scale.etcd_cpu <= 0.3,
        },
    ];
    rows.extend(never("large group", &scale.verdict));
    rows
}

fn below(what: String, found: Duration, most: Duration, limit: &'static str) -> Target {
    Target { what, limit, found: span(found), met: found < most }
}
