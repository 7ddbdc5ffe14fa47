use std::collections::BTreeSet;

use proptest::prelude::*;

use super::hash::{crc64_iso, fnv1a64, xxh64};
use super::*;
use crate::coordination::map::{KeyHash, ShardMap};
use crate::coordination::member::MemberState;

fn map(shards: u32, hash: KeyHash) -> ShardMap {
    ShardMap { shards, hash }
}

/// Each algorithm over members as a function from key and n.
type Lookup = Box<dyn Fn(&[u8], usize) -> (Option<usize>, Vec<usize>)>;

fn lookups(identities: &[String]) -> Vec<Lookup> {
    let names = || identities.iter().map(String::as_str);
    let rendezvous = Rendezvous::new(names());
    let ring = Ring::new(names());
    let multiprobe = Multiprobe::new(names());
    vec![
        Box::new(move |key, n| (rendezvous.owner(key), rendezvous.owners(key, n))),
        Box::new(move |key, n| (ring.owner(key), ring.owners(key, n))),
        Box::new(move |key, n| (multiprobe.owner(key), multiprobe.owners(key, n))),
    ]
}

/// `XXH64` as the reference implementation publishes and computes it; the others as Go's `hash/fnv` and `hash/crc64`.
#[test]
fn hashes_are_those_of_independent_implementations() {
    for (key, xxh, fnv, crc) in [
        ("", 0xef46_db37_51d8_e999, 0xcbf2_9ce4_8422_2325, 0),
        ("a", 0xd24e_c4f1_a98c_6e5b, 0xaf63_dc4c_8601_ec8c, 0x3420_0000_0000_0000),
        ("abc", 0x44bc_2cf5_ad77_0999, 0xe71f_a219_0541_574b, 0x3776_c420_0000_0000),
        ("123456789", 0x8cb8_41db_40e6_ae83, 0x06d5_5739_23c6_cdfc, 0xb909_56c7_75a4_1001),
    ] {
        assert_eq!(xxh64(key.as_bytes()), xxh, "{key}");
        assert_eq!(fnv1a64(key.as_bytes()), fnv, "{key}");
        assert_eq!(crc64_iso(key.as_bytes()), crc, "{key}");
    }
}

#[test]
fn a_number_is_its_own_hash_and_other_keys_are_refused_with_a_sentence() {
    let map = map(16, KeyHash::Int);
    for (key, shard) in [("0", 0), ("7", 7), ("16", 0), ("0042", 10), ("18446744073709551615", 15)]
    {
        assert_eq!(shard_of(&map, key.as_bytes()), Ok(shard), "{key}");
    }
    for key in ["", "+5", "-5", " 5", "5.0", "0x5", "five", "18446744073709551616", "٣"] {
        assert!(shard_of(&map, key.as_bytes()).is_err(), "{key}");
    }
    assert_eq!(
        shard_of(&map, b"order-5").unwrap_err().to_string(),
        "key 'order-5' has no shard: with hash int, a key is a decimal number from 0 to \
         18446744073709551615"
    );
    assert!(shard_of(&map, &[b'x'; 4096]).unwrap_err().to_string().len() < 200);
}

#[test]
fn a_table_answers_shard_and_owner_of_a_key() {
    let table = ShardTable::new(map(4, KeyHash::Int), [(1, "a"), (3, "b"), (9, "c")]);
    assert_eq!(table.owner(b"5"), Ok((1, Some(&"a"))));
    assert_eq!(table.owner(b"7"), Ok((3, Some(&"b"))));
    assert_eq!(table.owner(b"2"), Ok((2, None)));
    assert!(table.owner(b"x").is_err());
}

#[test]
fn reads_go_to_draining_members_too_and_writes_do_not() {
    let asked = |operation: Operation| {
        [MemberState::Viewer, MemberState::Participant, MemberState::Draining]
            .map(|state| operation.asks(state))
    };
    assert_eq!(asked(Operation::Read), [false, true, true]);
    assert_eq!(asked(Operation::Write), [false, true, false]);
    assert_eq!("write".parse(), Ok(Operation::Write));
    let refusal = "delete".parse::<Operation>().unwrap_err().to_string();
    assert_eq!(refusal, "operation 'delete' is not known; write read or write");
}

#[test]
fn algorithms_are_parsed_as_they_are_printed() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    let refusal = "hash".parse::<Algorithm>().unwrap_err().to_string();
    assert!(refusal.contains("write map, ring, rendezvous or multiprobe"), "{refusal}");
}

#[test]
fn nobody_owns_a_key_of_no_members() {
    for lookup in lookups(&[]) {
        assert_eq!(lookup(b"key", 3), (None, Vec::new()));
    }
}

fn identities() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::btree_set("[a-z]{1,6}", 1..12).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #[test]
    fn a_shard_is_below_the_number_of_shards(key: Vec<u8>, shards in 1_u32..=10_000) {
        for hash in [KeyHash::Xxh64, KeyHash::Fnv1a64, KeyHash::Crc64Iso] {
            prop_assert!(shard_of(&map(shards, hash), &key).unwrap() < shards);
        }
    }

    #[test]
    fn owners_are_distinct_and_begin_with_the_owner(
        identities in identities(), key: Vec<u8>, n in 0_usize..14
    ) {
        for lookup in lookups(&identities) {
            let (owner, owners) = lookup(&key, n);
            prop_assert_eq!(owners.len(), n.min(identities.len()));
            prop_assert_eq!(owners.iter().collect::<BTreeSet<_>>().len(), owners.len());
            if n > 0 {
                prop_assert_eq!(owners.first().copied(), owner);
            }
        }
    }

    /// So a join moves keys only to the member that joined, and a leave only keys of the member that left.
    #[test]
    fn when_a_member_leaves_the_order_of_the_others_stays(
        identities in identities(), key: Vec<u8>, leaves: prop::sample::Index
    ) {
        let leaves = leaves.index(identities.len());
        let mut fewer = identities.clone();
        fewer.remove(leaves);
        for (all, rest) in lookups(&identities).into_iter().zip(lookups(&fewer)) {
            let before = all(&key, identities.len()).1;
            let expected = before.into_iter().filter(|member| *member != leaves);
            let expected: Vec<&str> = expected.map(|member| identities[member].as_str()).collect();
            let after = rest(&key, fewer.len()).1;
            let after: Vec<&str> = after.into_iter().map(|member| fewer[member].as_str()).collect();
            prop_assert_eq!(after, expected);
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter(
        identities in identities().prop_shuffle(), key: Vec<u8>, n in 1_usize..4
    ) {
        let mut sorted = identities.clone();
        sorted.sort();
        for (one, other) in lookups(&identities).into_iter().zip(lookups(&sorted)) {
            let one: Vec<&String> = one(&key, n).1.into_iter().map(|member| &identities[member]).collect();
            let other: Vec<&String> = other(&key, n).1.into_iter().map(|member| &sorted[member]).collect();
            prop_assert_eq!(one, other);
        }
    }
}
