//! The page `docs/coordination-benchmarks.md`. All of its figures are from the run that writes it.

use super::Figures;
use super::tables;
use crate::table::Table;

/// The names of the plots.
pub const PLOTS: [&str; 2] = ["coordination-handovers.svg", "coordination-lookups.svg"];

/// The whole page.
pub fn write(figures: &Figures) -> String {
    let Figures { date, machine, etcd, .. } = figures;
    let mut tables = tables::all(figures).into_iter().map(|table| Table::markdown(&table));
    let mut next = || tables.next().unwrap_or_default();
    let (targets, published, lookups, balance, plans) = (next(), next(), next(), next(), next());
    let (handovers, leaders, rollout, steady, changes) = (next(), next(), next(), next(), next());
    let spread = next();
    let [handover_plot, lookup_plot] = PLOTS;
    let (shards, members) = (figures.handovers.shards, figures.handovers.members);
    format!(
        "# Benchmarks of coordination

<!-- Written by `make bench-coordination`; change e2e/bench instead. -->

Measured on {date} with etcd {etcd} on {machine}. etcd and all members share that machine: the members are
machines of one process with one thread, those of the large group with a thread for each CPU. Run it again with

```sh
make bench-coordination
```

A member is the session machine of the sidecar with its transactions, on a connection with a watch and a lease of its
own, and an app in the same process that stops at once when it is told to, confirms that, and writes down what it serves
from when to when. Validity is 10 s, as shipped, unless a row says otherwise. Every member that hands over is older
than the takeover delay. A *Raft write* is an entry of etcd's log, as counted by etcd. [The protocol](coordination.md)
explains the terms.

{targets}
A target that is missed says NO. The figures of one run on a shared machine vary: look at the ratios between rows of one
table first. The targets of the large group are for 1,000 members: with fewer, each has more shards, and a join moves
more of them. Times are those of a machine on which etcd and all members share the CPUs.

{published}
These are figures that the authors of a cluster library with consensus and gossip have published. They are of other
machines, and were not measured here.

{lookups}
![Time of a lookup over the number of members, and the balance of keys]({lookup_plot})

{balance}
The map has ten shards for each member, as the documentation advises. *Ideal*: what has to move at the least when all
members have the same part. A lookup that gives a member fewer keys than its part also moves fewer when it leaves.

{plans}
A member computes the plan in at most this time before it does its part. A member gives at most a tenth of its own
shards at a time, so one plan of a join has that many moves.

{handovers}
![How long shards and the leadership have no owner]({handover_plot})

{shards} shards, {members} members, one etcd. *Without an owner*: from the instant at which the app of the former owner
has stopped to the one at which the app of the next owner was told. Cairn's writes are the draining member's record,
its shards by up to 60 in one write for whatever recipients, its leave, and its lease. The simpler protocol has one
writer: it puts a proposal of the whole map, every member stops what it loses and acknowledges, the writer commits when
all have. Its writer is never replaced, and its members never leave: a member that does not answer would stop every
change for as long as its lease lives.

{leaders}
client-go's election has a lease of 15 s, a renew deadline of 10 s and a retry period of 2 s, here with its record in
the same etcd. It writes once in 2 s while nothing happens, Cairn never, and it has no fence. A killed leader's
successor waits for the lease of its session and for the takeover delay, so that the former leader has stopped by its
own clock: TTL + 1 s + D at the most.

{rollout}
A new pod is started, and once it has its session an old one is drained, until all are new. What is balanced afterwards
counts, too.

{steady}
Each member renews every third of its validity by a linearizable read and a keepalive. What one sidecar needs is a part
of the CPU of all.

{changes}
A member that joins is given shards once the group was calm for 2 s, which is in the time. *Foreseen*: by the
[table of costs](coordination.md#costs). Watch bytes are those of the events and of their responses; all bytes from etcd
contain the renewals of that time and what the new member has read, too. The group was written into etcd before its
members started: each of them resumed a session, as after a restart of its sidecar, and so did those that leave here.
Nobody hands over before it is older than the takeover delay.

{spread}
The first two rows count each write of the joins at each member. They contain the time that members wait for each other:
here two CPUs serve etcd and all members, and in a cluster each member has its own.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_table_and_plot() {
        let page = write(&Figures::default());
        assert_eq!(page.matches("\n## ").count(), tables::all(&Figures::default()).len());
        assert!(PLOTS.iter().all(|plot| page.contains(&format!("]({plot})"))));
    }
}
