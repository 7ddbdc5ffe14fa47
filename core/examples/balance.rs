//! Prints how evenly lookups divide keys, and how many keys move when a member joins or leaves:
//! `cargo run --release -p cairn-core --example balance`.
//!
//! Loads are shares of the mean, over 20 groups of members with other UIDs. Moves are shares of all keys; the least
//! possible is 1/(M+1) when a member joins and 1/M when one leaves.

#![expect(clippy::cast_precision_loss, reason = "counts of keys are far below 2^52")]
#![expect(clippy::indexing_slicing, reason = "a wrong index ends the example")]

use cairn_core::coordination::lookup::hash::mix;
use cairn_core::coordination::lookup::{Multiprobe, Rendezvous, Ring, ShardTable};
use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_core::coordination::member::SessionId;
use cairn_core::coordination::plan::{CURRENT, Candidate, Input, plan};
use cairn_core::time::UnixMillis;

/// Groups of members, each with other UIDs.
const GROUPS: u64 = 20;

/// The owner of each key.
type Owners = Vec<usize>;

fn main() {
    println!(
        "| members × keys | lookup | least | most | deviation | moves: join | leave | least: join | leave |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (members, keys) in [(10, 10_000), (100, 1_000_000)] {
        let keys: Vec<String> = (0..keys).map(|key| format!("key-{key}")).collect();
        for (name, lookup) in lookups(members) {
            row(name, members, &keys, &lookup);
        }
    }
}

/// The owners of keys among members with these UIDs.
type Lookup = Box<dyn Fn(&[String], &[String], Option<&mut Owned>) -> Owners>;

/// Owners of shards, kept from one membership to the next: by UID.
type Owned = Vec<String>;

fn lookups(members: u32) -> Vec<(&'static str, Lookup)> {
    fn each(keys: &[String], owner: impl Fn(&[u8]) -> Option<usize>) -> Owners {
        keys.iter().filter_map(|key| owner(key.as_bytes())).collect()
    }
    fn names(uids: &[String]) -> impl Iterator<Item = &str> {
        uids.iter().map(String::as_str)
    }
    let by_map = |shards: u32| -> Lookup {
        Box::new(move |uids, keys, owned| {
            let table = by_plan(shards, uids, owned);
            each(keys, |key| table.owner(key).ok()?.1.copied())
        })
    };
    vec![
        ("map, 16 shards per member", by_map(16 * members)),
        ("map, 10,000 shards", by_map(10_000)),
        (
            "rendezvous",
            Box::new(|uids, keys, _| {
                let lookup = Rendezvous::new(names(uids));
                each(keys, |key| lookup.owner(key))
            }),
        ),
        (
            "ring",
            Box::new(|uids, keys, _| {
                let lookup = Ring::new(names(uids));
                each(keys, |key| lookup.owner(key))
            }),
        ),
        (
            "multiprobe",
            Box::new(|uids, keys, _| {
                let lookup = Multiprobe::new(names(uids));
                each(keys, |key| lookup.owner(key))
            }),
        ),
    ]
}

/// Plans until nothing is left, from the owners of before.
fn by_plan(shards: u32, uids: &[String], owned: Option<&mut Owned>) -> ShardTable<usize> {
    let map = ShardMap { shards, hash: KeyHash::Xxh64 };
    let member = |uid| Candidate {
        uid,
        weight: 100,
        generation: "",
        admitted: UnixMillis(0),
        session: SessionId::default(),
        draining: false,
        resigned: false,
    };
    let members: Vec<_> = uids.iter().map(|uid| member(uid)).collect();
    let before = owned.as_ref().map_or([].as_slice(), |owned| owned.as_slice());
    let mut owners: Vec<Option<usize>> =
        before.iter().map(|owner| uids.iter().position(|uid| uid == owner)).collect();
    owners.resize(usize::try_from(shards).unwrap_or(0), None);
    loop {
        let input = Input {
            map,
            version: CURRENT,
            members: &members,
            owners: &owners,
            orphans: &[],
            stopping: &[],
            may_balance: true,
            passed_over: &[],
        };
        let moves = plan(&input).moves;
        if moves.is_empty() {
            break;
        }
        for next in moves {
            if let Some(owner) = usize::try_from(next.shard).ok().and_then(|at| owners.get_mut(at))
            {
                *owner = Some(next.to);
            }
        }
    }
    if let Some(owned) = owned {
        *owned = owners.iter().flatten().filter_map(|owner| uids.get(*owner)).cloned().collect();
    }
    ShardTable::new(map, (0..).zip(owners).filter_map(|(shard, owner)| Some((shard, owner?))))
}

fn row(name: &str, members: u32, keys: &[String], lookup: &Lookup) {
    let members = members as usize;
    let (mut least, mut most, mut squares, mut joins, mut leaves) = (f64::MAX, 0_f64, 0.0, 0, 0);
    // A million keys are enough of a sample for fewer groups.
    let groups = if keys.len() > 100_000 { GROUPS / 4 } else { GROUPS };
    for group in 0..groups {
        let uid = |index: usize| {
            let high = mix(group.wrapping_mul(1_000_003).wrapping_add(index as u64 + 1));
            format!("{high:016x}-{:016x}", mix(high))
        };
        let all: Vec<String> = (0..=members).map(uid).collect();
        let (first, more, fewer) = (&all[..members], &all[..], &all[1..members]);
        let mut owned = Owned::new();
        let before = lookup(first, keys, Some(&mut owned));
        let joined = lookup(more, keys, Some(&mut owned.clone()));
        let left = lookup(fewer, keys, Some(&mut owned));
        let mean = keys.len() as f64 / members as f64;
        for member in 0..members {
            let load = before.iter().filter(|owner| **owner == member).count() as f64 / mean;
            least = least.min(load);
            most = most.max(load);
            squares += (load - 1.0).powi(2);
        }
        joins += before.iter().zip(&joined).filter(|(old, new)| old != new).count();
        leaves += before.iter().zip(&left).filter(|(old, new)| **old != **new + 1).count();
    }
    let groups = groups as f64;
    let share = |moves: usize| 100.0 * moves as f64 / groups / keys.len() as f64;
    println!(
        "| {members} × {} | {name} | {least:.2} | {most:.2} | {:.1} % | {:.2} % | {:.2} % | {:.2} % | {:.2} % |",
        keys.len(),
        100.0 * (squares / groups / members as f64).sqrt(),
        share(joins),
        share(leaves),
        100.0 / (members + 1) as f64,
        100.0 / members as f64,
    );
}
