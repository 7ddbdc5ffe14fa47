//! The tables of what was measured. A figure with a target stands beside it.

use std::time::Duration;

use cairn_core::coordination::lookup::Algorithm;
use cairn_core::coordination::write::MOST_CHANGES;
use cairn_herd::figures::percentile;

use super::Figures;
use super::handover::Moved;
use super::lookups::Balance;
use super::scale::Change;
use crate::claims::count;
use crate::table::Table;

mod targets;

/// What others have published, for the two libraries that Cairn replaces.
const PUBLISHED: [(&str, &str); 4] = [
    ("lookup of a key", "80 ns"),
    ("rebalance of 10,000 shards over 50 nodes", "200 µs"),
    ("encode or decode the map", "2–3 ms"),
    ("election", "1.5 s"),
];

/// All tables, in the order of the page.
pub fn all(figures: &Figures) -> Vec<Table> {
    vec![
        targets::targets(figures),
        published(),
        lookups(figures),
        balance(&figures.balances),
        plans(figures),
        handovers(figures),
        leaders(figures),
        rollout(figures),
        steady(figures),
        changes(figures),
        spread(figures),
    ]
}

fn published() -> Table {
    let rows = PUBLISHED.map(|(what, figure)| vec![what.to_owned(), figure.to_owned()]);
    Table::new("Published by others", vec!["what", "figure"], rows.into())
}

fn lookups(figures: &Figures) -> Table {
    let sizes = super::lookups::SIZES;
    let row = |algorithm: Algorithm| {
        let of = |members: usize| {
            let is = |speed: &&super::lookups::Speed| {
                (speed.algorithm, speed.members) == (algorithm, members)
            };
            figures.speeds.iter().find(is).map_or_else(|| "-".to_owned(), |speed| span(speed.took))
        };
        let mut row = vec![algorithm.to_string()];
        row.extend(sizes.map(of));
        row
    };
    let head = vec!["lookup", "3 members", "10", "30", "100", "300"];
    let rows = Algorithm::ALL.into_iter().map(row).collect();
    Table::new("One lookup, hash included", head, measured(figures.speeds.len(), rows))
}

fn balance(balances: &[Balance]) -> Table {
    let row = |one: &Balance| {
        let percent = |part: f64| format!("{:.2} %", 100.0 * part);
        vec![
            one.members.to_string(),
            one.keys.to_string(),
            one.algorithm.to_string(),
            format!("{:.3}", one.most),
            format!("{:.3}", one.least),
            percent(one.joined),
            percent(1.0 / count(one.members + 1)),
            percent(one.left),
            percent(1.0 / count(one.members)),
        ]
    };
    Table::new(
        "Balance, and keys that move",
        vec![
            "members",
            "keys",
            "lookup",
            "most / mean",
            "least / mean",
            "moved by a join",
            "ideal",
            "moved by a leave",
            "ideal",
        ],
        balances.iter().map(row).collect(),
    )
}

fn plans(figures: &Figures) -> Table {
    let row = |one: &super::plans::Planned| {
        vec![
            one.members.to_string(),
            span(one.first),
            span(one.joins),
            one.join_moves.to_string(),
            span(one.drains),
            one.drain_moves.to_string(),
            span(one.rest),
        ]
    };
    Table::new(
        "The plan of 10,000 shards",
        vec!["members", "first map", "one joins", "moves", "one drains", "moves", "nothing to do"],
        figures.plans.iter().map(row).collect(),
    )
}

fn handovers(figures: &Figures) -> Table {
    let handovers = &figures.handovers;
    let row = |name: &str, moved: &Moved| {
        let (p50, p99) = ends(&moved.verdict.gaps);
        vec![
            name.to_owned(),
            moved.changes.to_string(),
            moved.verdict.gaps.len().to_string(),
            span(p50),
            span(p99),
            span(moved.verdict.gaps.last().copied().unwrap_or_default()),
            format!("{:.1}", moved.writes),
            kilobytes(moved.bytes),
            moved.verdict.overlaps.to_string(),
        ]
    };
    Table::new(
        "Hand-overs of shards: one member after the other gives all of its own away",
        vec![
            "protocol",
            "changes",
            "hand-overs",
            "without an owner, p50",
            "p99",
            "longest",
            "Raft writes per change",
            "watch bytes per member and change",
            "two owners",
        ],
        measured(
            handovers.members,
            vec![
                row("Cairn, with drain and leave", &handovers.cairn),
                row("propose, acknowledge, commit", &handovers.acks),
            ],
        ),
    )
}

fn leaders(figures: &Figures) -> Table {
    let handovers = &figures.handovers;
    let row = |protocol: &str, what: &str, found: &[Duration]| {
        let (p50, p99) = ends(found);
        vec![
            protocol.to_owned(),
            what.to_owned(),
            found.len().to_string(),
            span(p50),
            span(p99),
            span(found.last().copied().unwrap_or_default()),
        ]
    };
    Table::new(
        "Leaders: until another one leads",
        vec!["protocol", "the leader", "times", "p50", "p99", "longest"],
        measured(
            handovers.members,
            vec![
                row("Cairn", "resigns", &handovers.resigned),
                row("client-go's", "resigns", &handovers.resigned_simple),
                row("Cairn, V 10 s", "is killed", &handovers.killed),
                row("Cairn, V 3 s", "is killed", &handovers.killed_short),
                row("client-go's", "is killed", &handovers.killed_simple),
            ],
        ),
    )
}

fn rollout(figures: &Figures) -> Table {
    let rollout = &figures.rollout;
    let (p50, p99) = ends(&rollout.verdict.gaps);
    let longest = rollout.verdict.gaps.last().copied().unwrap_or_default();
    Table::new(
        "A rollout with one pod more than needed",
        vec![
            "pods",
            "shards",
            "moves per shard",
            "without an owner, p50",
            "p99",
            "longest",
            "two owners",
            "Raft writes",
            "took, s",
        ],
        measured(
            rollout.pods,
            vec![vec![
                rollout.pods.to_string(),
                rollout.shards.to_string(),
                format!("{:.3}", rollout.moves),
                span(p50),
                span(p99),
                span(longest),
                rollout.verdict.overlaps.to_string(),
                format!("{:.0}", rollout.writes),
                format!("{:.1}", rollout.took.as_secs_f64()),
            ]],
        ),
    )
}

fn steady(figures: &Figures) -> Table {
    let scale = &figures.scale;
    let per_second =
        |steps: u64| super::handover::float(steps) / scale.span.as_secs_f64().max(1e-9);
    let rows = [
        ("members", scale.members.to_string()),
        ("shards", scale.shards.to_string()),
        ("looked on for", format!("{:.0} s", scale.span.as_secs_f64())),
        ("sessions lost in the whole run", scale.lost.to_string()),
        ("Raft writes per second", format!("{:.2}", scale.writes)),
        ("etcd: CPU, cores", format!("{:.2}", scale.etcd_cpu)),
        ("etcd: memory", format!("{:.0} MiB", scale.etcd_memory)),
        ("all members: CPU, cores", format!("{:.2}", scale.members_cpu)),
        ("one member, with its connection: memory", format!("{:.2} MiB", scale.memory / 1024.0)),
        ("watch bytes per second and member", format!("{:.1}", scale.idle_bytes)),
        ("renewals per second, all members", format!("{:.0}", per_second(scale.renewals.steps))),
        ("a member's computation for a renewal, mean", span(scale.renewals.mean())),
        ("other steps per second, all members", format!("{:.0}", per_second(scale.others.steps))),
        ("a member's computation for these, mean", span(scale.others.mean())),
    ];
    Table::new(
        "A large group while nothing happens",
        vec!["what", "value"],
        measured(scale.members, rows.map(|(what, value)| vec![what.to_owned(), value]).into()),
    )
}

fn changes(figures: &Figures) -> Table {
    let scale = &figures.scale;
    let row = |what: &str, change: &Change, (fixed, record): (usize, f64)| {
        let least = fixed + change.shards.div_ceil(MOST_CHANGES);
        vec![
            what.to_owned(),
            change.shards.to_string(),
            format!("{:.2} s", change.took.as_secs_f64()),
            format!("{:.0}", change.writes),
            format!("{least} to {}", fixed + change.shards),
            kilobytes(change.bytes),
            kilobytes(record + 140.0 * count(change.shards)),
            kilobytes(change.sent),
        ]
    };
    // The record once, or that it drains and that it is gone; and so many writes beside those of shards.
    let joins = scale.joins.iter().map(|change| row("joins", change, (2, 500.0)));
    let leaves = scale.leaves.iter().map(|change| row("drains and leaves", change, (3, 1000.0)));
    Table::new(
        "One member of the large group joins or leaves",
        vec![
            "one member",
            "shards moved",
            "until all is over",
            "Raft writes",
            "foreseen",
            "watch bytes per member",
            "foreseen",
            "all bytes from etcd per member",
        ],
        joins.chain(leaves).collect(),
    )
}

fn spread(figures: &Figures) -> Table {
    let scale = &figures.scale;
    let row = |what: &str, found: &[Duration]| {
        let (p50, p99) = ends(found);
        vec![what.to_owned(), found.len().to_string(), span(p50), span(p99)]
    };
    let mean = span(scale.changes.mean());
    let steps = scale.changes.steps.to_string();
    Table::new(
        "From the send of a write to all members of the large group, while members join",
        vec!["until", "times", "p50", "p99"],
        measured(
            scale.members,
            vec![
                row("a member's process has it", &scale.delivered),
                row("its machine has taken it in", &scale.applied),
                vec!["a member's computation for it, mean".to_owned(), steps, mean, String::new()],
            ],
        ),
    )
}

/// The rows, or none when nothing was measured.
fn measured(of: usize, rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    if of == 0 { Vec::new() } else { rows }
}

/// The median and the 99th percentile of sorted values.
pub fn ends(sorted: &[Duration]) -> (Duration, Duration) {
    (percentile(sorted, 50), percentile(sorted, 99))
}

/// A time with up to three digits and its unit.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    let (value, unit) = match span.as_nanos() {
        0..1_000 => (seconds * 1e9, "ns"),
        1_000..1_000_000 => (seconds * 1e6, "µs"),
        1_000_000..1_000_000_000 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let digits = match unit {
        // The clock shows no parts of a nanosecond.
        "ns" => 0,
        _ if value < 10.0 => 2,
        _ => usize::from(value < 100.0),
    };
    format!("{value:.digits$} {unit}")
}

fn kilobytes(bytes: f64) -> String {
    format!("{:.2} kB", bytes / 1000.0)
}

#[cfg(test)]
mod tests;
