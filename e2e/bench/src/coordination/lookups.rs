//! Measures lookups: how long one takes, how evenly keys are divided, and how many move when a member joins or leaves.

use std::hint::black_box;
use std::time::Duration;

use cairn_core::coordination::lookup::hash::mix;
use cairn_core::coordination::lookup::{Algorithm, Multiprobe, Rendezvous, Ring, ShardTable};
use cairn_core::coordination::map::{KeyHash, ShardMap};

use super::plans::Members;
use super::timing::median;
use crate::claims::count;

/// Members for which the time of a lookup is measured.
pub const SIZES: [usize; 5] = [3, 10, 30, 100, 300];

/// Keys of the measurement of time: as many as fit into the first cache beside what is looked up in.
const KEYS: usize = 256;

/// The time of a lookup, hash included.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// How the owner is found.
    pub algorithm: Algorithm,
    /// Among how many members.
    pub members: usize,
    /// How long it takes.
    pub took: Duration,
}

/// How keys are divided.
#[derive(Clone, Copy, Debug)]
pub struct Balance {
    /// How owners are found.
    pub algorithm: Algorithm,
    /// Among how many members.
    pub members: usize,
    /// How many keys.
    pub keys: usize,
    /// The keys of the member with the most, over the mean.
    pub most: f64,
    /// The keys of the member with the fewest, over the mean.
    pub least: f64,
    /// The part of all keys that have another owner after a member has joined.
    pub joined: f64,
    /// The same after one has left.
    pub left: f64,
}

/// A prepared lookup. It answers with the number of a member, which stays the same when others join or leave.
struct Lookup(Box<Owner>);

/// The member of a key.
type Owner = dyn Fn(&[u8]) -> usize;

/// Measures every lookup among every number of members.
pub fn speeds() -> Vec<Speed> {
    let keys: Vec<String> = (0..KEYS).map(|key| format!("order-{key:08}")).collect();
    let all = Algorithm::ALL.into_iter();
    all.flat_map(|algorithm| SIZES.map(|members| (algorithm, members)))
        .map(|(algorithm, members)| {
            let lookup = Lookup::new(algorithm, &Members::new(members));
            let took = median(|| {
                for key in &keys {
                    black_box((lookup.0)(black_box(key.as_bytes())));
                }
            });
            let calls = u32::try_from(KEYS).unwrap_or(1);
            Speed { algorithm, members, took: took / calls }
        })
        .collect()
}

/// Measures how each lookup divides so many keys among so many members.
pub fn balances(members: usize, keys: usize) -> Vec<Balance> {
    let keys: Vec<u64> = (0..keys as u64).collect();
    let one = |algorithm| {
        let mut group = Members::new(members);
        let before = owners(algorithm, &group, &keys);
        let mut left = group.clone();
        group.join();
        left.leave(0);
        let joined = owners(algorithm, &group, &keys);
        let left = owners(algorithm, &left, &keys);
        let mut loads = vec![0_usize; members];
        for owner in &before {
            if let Some(load) = loads.get_mut(*owner) {
                *load += 1;
            }
        }
        let mean = count(keys.len()) / count(members);
        let share = |load: Option<&usize>| count(load.copied().unwrap_or_default()) / mean;
        Balance {
            algorithm,
            members,
            keys: keys.len(),
            most: share(loads.iter().max()),
            least: share(loads.iter().min()),
            joined: differ(&before, &joined),
            left: differ(&before, &left),
        }
    };
    Algorithm::ALL.into_iter().map(one).collect()
}

fn owners(algorithm: Algorithm, members: &Members, keys: &[u64]) -> Vec<usize> {
    let lookup = Lookup::new(algorithm, members);
    keys.iter().map(|key| (lookup.0)(format!("key-{:016x}", mix(*key)).as_bytes())).collect()
}

/// The part of the keys whose owners differ.
fn differ(before: &[usize], after: &[usize]) -> f64 {
    let moved = before.iter().zip(after).filter(|(before, after)| before != after).count();
    count(moved) / count(before.len().max(1))
}

// === impl Lookup ===

impl Lookup {
    fn new(algorithm: Algorithm, members: &Members) -> Self {
        let numbers: Vec<usize> = members.numbers().collect();
        let member = move |index: Option<usize>| {
            index.and_then(|index| numbers.get(index).copied()).unwrap_or_default()
        };
        let uids = || members.uids().iter().map(String::as_str);
        Self(match algorithm {
            Algorithm::Map => {
                let map = ShardMap { shards: members.shards(), hash: KeyHash::Xxh64 };
                let table = ShardTable::new(map, members.owned());
                Box::new(move |key| {
                    table.owner(key).ok().and_then(|(_, owner)| owner.copied()).unwrap_or_default()
                })
            }
            Algorithm::Ring => {
                let ring = Ring::new(uids());
                Box::new(move |key| member(ring.owner(key)))
            }
            Algorithm::Rendezvous => {
                let rendezvous = Rendezvous::new(uids());
                Box::new(move |key| member(rendezvous.owner(key)))
            }
            Algorithm::Multiprobe => {
                let multiprobe = Multiprobe::new(uids());
                Box::new(move |key| member(multiprobe.owner(key)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_joining_member_gets_is_all_that_moves_where_the_lookup_promises_it() {
        for balance in balances(10, 4_000) {
            let Balance { algorithm, most, least, joined, left, .. } = balance;
            assert!(most >= 1.0 && least <= 1.0, "{balance:?}");
            // One member of eleven has joined, or one of ten has left.
            assert!((0.02..0.2).contains(&joined), "{algorithm}: {joined}");
            assert!((0.01..0.25).contains(&left), "{algorithm}: {left}");
        }
    }

    #[test]
    fn moves_are_parts_of_all_keys() {
        assert!((differ(&[1, 2, 3, 4], &[1, 2, 3, 5]) - 0.25).abs() < f64::EPSILON);
        assert!(differ(&[], &[]).abs() < f64::EPSILON);
    }
}
