//! How long plans and lookups take, beside their targets: `cargo bench -p cairn-core`. Figures and ratios are printed
//! and not asserted: they are of this machine.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use cairn_core::coordination::lookup::{Multiprobe, Rendezvous, Ring, ShardTable, shard_of};
use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_core::coordination::member::SessionId;
use cairn_core::coordination::plan::{CURRENT, Candidate, Input, Plan, plan};
use cairn_core::time::UnixMillis;

/// Each figure is the median of so many batches.
const BATCHES: usize = 101;
/// Keys of lookups: as many as fit into the first cache beside what is looked up in.
const KEYS: usize = 256;
const SHARDS: u32 = 10_000;

fn main() {
    println!("{:<52} {:>12} {:>12} {:>8}", "", "median", "target", "ratio");
    for members in [10, 100] {
        lookups(members);
    }
    for members in [50, 1000] {
        plans(members);
    }
}

/// Prints one line; a target of zero is none.
fn report(name: &str, took: Duration, target: Duration) {
    if target.is_zero() {
        println!("{name:<52} {took:>12.1?}");
    } else {
        let ratio = took.as_secs_f64() / target.as_secs_f64();
        println!("{name:<52} {took:>12.1?} {target:>12.1?} {ratio:>8.2}");
    }
}

/// The median over batches of the time of `times` calls.
fn median(batches: usize, mut batch: impl FnMut()) -> Duration {
    batch();
    let mut took: Vec<Duration> = (0..batches)
        .map(|_| {
            let begun = Instant::now();
            batch();
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    took.get(batches / 2).copied().unwrap_or_default()
}

fn lookups(members: usize) {
    let uids = uids(members);
    let names = || uids.iter().map(String::as_str);
    let keys: Vec<String> = (0..KEYS).map(|key| format!("order-{key:08}")).collect();
    let nanos = |ten: u64| Duration::from_nanos(if members == 10 { ten } else { 0 });
    let each = |name: &str, target: Duration, lookup: &dyn Fn(&[u8]) -> usize| {
        const ROUNDS: u32 = 20;
        let took = median(BATCHES, || {
            for _ in 0..ROUNDS {
                for key in &keys {
                    black_box(lookup(black_box(key.as_bytes())));
                }
            }
        });
        let calls = ROUNDS * u32::try_from(KEYS).unwrap_or(1);
        report(&format!("{name}({members}), hash included"), took / calls, target);
    };
    for hash in KeyHash::ALL.into_iter().filter(|hash| *hash != KeyHash::Int) {
        let map = ShardMap { shards: SHARDS, hash };
        let owners = (0..SHARDS).zip((0..members).cycle());
        let table = ShardTable::new(map, owners);
        each(&format!("map {hash}"), nanos(20), &|key| {
            table.owner(key).ok().and_then(|(_, owner)| owner.copied()).unwrap_or(0)
        });
    }
    let int = ShardMap { shards: SHARDS, hash: KeyHash::Int };
    each("map int", nanos(20), &|key| {
        shard_of(&int, key.get(6..).unwrap_or_default()).map_or(0, |shard| shard as usize)
    });
    let rendezvous = Rendezvous::new(names());
    each("rendezvous", nanos(60), &|key| rendezvous.owner(key).unwrap_or(0));
    each("rendezvous, 3 owners", Duration::ZERO, &|key| rendezvous.owners(key, 3).len());
    let ring = Ring::new(names());
    each("ring", nanos(80), &|key| ring.owner(key).unwrap_or(0));
    each("ring, 3 owners", Duration::ZERO, &|key| ring.owners(key, 3).len());
    let multiprobe = Multiprobe::new(names());
    each("multiprobe", nanos(400), &|key| multiprobe.owner(key).unwrap_or(0));
    each("multiprobe, 3 owners", Duration::ZERO, &|key| multiprobe.owners(key, 3).len());
    report(
        &format!("prepare ring({members})"),
        median(BATCHES, || drop(black_box(Ring::new(names())))),
        Duration::ZERO,
    );
}

fn plans(members: usize) {
    let uids = uids(members + 1);
    let mut all: Vec<Candidate<'_>> = uids.iter().map(|uid| candidate(uid)).collect();
    let mut owners = vec![None; SHARDS as usize];
    let target = Duration::from_micros(if members == 50 { 200 } else { 2000 });
    let name = |what: &str| format!("plan, {SHARDS} shards over {members}: {what}");
    let some = all.get(..members).unwrap_or_default().to_vec();
    report(
        &name("first map"),
        median(11, || drop(black_box(made(&some, &owners)))),
        Duration::from_millis(30),
    );
    for next in made(&some, &owners).moves {
        if let Some(owner) = owners.get_mut(next.shard as usize) {
            *owner = Some(next.to);
        }
    }
    report(
        &name("nothing to do"),
        median(BATCHES, || drop(black_box(made(&some, &owners)))),
        target,
    );
    let moves = made(&all, &owners).moves.len();
    let took = median(BATCHES, || drop(black_box(made(&all, &owners))));
    report(&name(&format!("one joins, {moves} moves")), took, target);
    all.truncate(members);
    if let Some(member) = all.get_mut(3) {
        member.draining = true;
    }
    let moves = made(&all, &owners).moves.len();
    let took = median(BATCHES, || drop(black_box(made(&all, &owners))));
    report(&name(&format!("one drains, {moves} moves")), took, target);
}

fn made(members: &[Candidate<'_>], owners: &[Option<usize>]) -> Plan {
    plan(&Input {
        map: ShardMap { shards: SHARDS, hash: KeyHash::Xxh64 },
        version: CURRENT,
        members,
        owners,
        orphans: &[],
        stopping: &[],
        may_balance: true,
        passed_over: &[],
    })
}

fn candidate(uid: &str) -> Candidate<'_> {
    Candidate {
        uid,
        weight: 100,
        generation: "6c8d7f9b54",
        admitted: UnixMillis(1_795_230_000_000),
        session: SessionId { epoch: 1, revision: 1 },
        draining: false,
        resigned: false,
    }
}

fn uids(members: usize) -> Vec<String> {
    (0..members).map(|index| format!("0b9a52a1-6f0c-4c0e-9a53-0f7e51b{index:05x}")).collect()
}
