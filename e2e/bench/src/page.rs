//! The page `docs/benchmarks.md`. All of its figures are from the run that writes it.

use crate::table::Table;

/// The facts about the run that the page names besides its tables.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The day of the run, such as `2026-11-21`.
    pub date: String,
    /// The description of the machine.
    pub machine: String,
    /// etcd's version.
    pub etcd: String,
    /// The time limit of a herd in seconds.
    pub limit: u64,
}

/// The whole page.
pub fn write(facts: &Facts, claims: &[Table], steady: &Table, isolation: &Table) -> String {
    let Facts { date, machine, etcd, limit } = facts;
    let tables: Vec<String> = claims.iter().map(Table::markdown).collect();
    let (tables, steady) = (tables.join("\n"), steady.markdown());
    let isolation = isolation.markdown();
    format!(
        "# Benchmarks

<!-- Written by `make bench-claims`; change e2e/bench instead. -->

Measured on {date} with etcd {etcd} on {machine}. etcd, all of its members and all pods share that
machine; members write to its disk and wait for it. Run it again with

```sh
make bench-claims
```

or let a herd loose on your own etcd, where it leaves nothing behind:

```sh
cairn bench herd --etcd http://127.0.0.1:2379 --pods 1000
```

![Herd size against time and Raft writes](claims.svg)

One etcd member, both axes logarithmic; an open circle is a herd that was given up.

## What is compared

- **Cairn**: the lease machine and the transactions of the sidecar, one machine per pod.
- **Names one by one**: every pod tries the first name, then the second, until one is free.
- **List, then lowest free**: every pod lists the names that are held and tries the lowest other one;
  when that is gone, it lists again.

All three have the same leases (46 s, renewed every 10 s), put the same records, and share 16
connections from one process with one thread; in the etcd of three, connections are spread over the
members. Herds start all at once, with connections open, each size on a fresh etcd, Cairn first. A
herd is given up after {limit} s. Times are seconds from the start, p50 and p99 over its pods. A herd
of Cairn's is over too soon for one run to tell much: times are those of the median of five, everything
else is the worst of the five.

A *Raft write* is an entry of etcd's log, as counted by etcd: `etcd_server_proposals_committed_total`
before and after. A failed compare costs one as well as a success, a lease one, keepalives and reads
none. *Lowest first, FIFO*: exactly the lowest names are held, by the order of the queue's tickets,
and nobody in etcd's own history was given a name that was another's turn.

{tables}
Per hand-over: the time until the last name was given, over the number of names that were somebody
else's before. A rest is a quarantine: etcd ends it when its lease runs out, which is one more write.

{steady}
Each of these pods has a connection of its own; V is 30 s, as shipped.

{isolation}
One etcd without, one with TLS and client certificates, and one with authentication too, measured in turn in the same
run. The last has 100 namespaces, and the pods are a user whose role covers their keys. A renewal is a keepalive and a
read.

The clients' port of these etcds serves gRPC alone, as the chart sets it up (`listen-client-http-urls`). Where it serves
HTTP too, as by default, etcd hands every request over TLS to Go's HTTP server (etcd issue 15402), and a renewal takes
1.5 to 1.9 times as long as without TLS: measured with `cairn-bench isolation` on 2026-11-26, before that setting.
"
    )
}
