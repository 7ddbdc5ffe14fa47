//! The shard of a key, and its owner by the map.

use thiserror::Error;

use super::hash;
use crate::coordination::map::{KeyHash, Shard, ShardMap};

/// So much of a key is shown in a message.
const SHOWN: usize = 64;

/// The key has no shard.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("key '{0}' has no shard: with hash int, a key is a decimal number from 0 to {max}", max = u64::MAX)]
pub struct KeyError(String);

/// The owner of every shard of a map, for many lookups in one picture. `O` names an owner.
#[derive(Clone, Debug)]
pub struct ShardTable<O> {
    map: ShardMap,
    owners: Vec<Option<O>>,
}

/// The shard of a key: the high word of hash · N, or the number modulo N. An error only with [`KeyHash::Int`].
///
/// CRC-64/ISO is for those who have it already. The low bits of its checksums hardly depend on short keys, so an even
/// number of shards leaves most of them without keys: 13 of 16, 750 of 1,000 with keys `key-0` to `key-99999`.
pub fn shard_of(map: &ShardMap, key: &[u8]) -> Result<Shard, KeyError> {
    let shards = map.shards;
    Ok(match map.hash {
        KeyHash::Xxh64 => high_word(hash::xxh64(key), shards),
        KeyHash::Fnv1a64 => high_word(hash::fnv1a64(key), shards),
        KeyHash::Crc64Iso => modulo(hash::crc64_iso(key), shards),
        KeyHash::Int => modulo(number(key)?, shards),
    })
}

/// The hash as a fraction of 2^64, times the number of shards.
fn high_word(hash: u64, shards: u32) -> Shard {
    let product = (u128::from(hash) * u128::from(shards)) >> u64::BITS;
    Shard::try_from(product).unwrap_or(0)
}

fn modulo(number: u64, shards: u32) -> Shard {
    let rest = number.checked_rem(u64::from(shards)).unwrap_or(0);
    Shard::try_from(rest).unwrap_or(0)
}

/// Digits only: `parse` would also take a plus sign.
fn number(key: &[u8]) -> Result<u64, KeyError> {
    let text = std::str::from_utf8(key).ok();
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| KeyError(String::from_utf8_lossy(key).chars().take(SHOWN).collect()))
}

// === impl ShardTable ===

impl<O> ShardTable<O> {
    /// The owners by shard; shards that are not named are free.
    pub fn new(map: ShardMap, owners: impl IntoIterator<Item = (Shard, O)>) -> Self {
        let mut table: Vec<Option<O>> = (0..map.shards).map(|_| None).collect();
        for (shard, owner) in owners {
            if let Some(slot) = usize::try_from(shard).ok().and_then(|shard| table.get_mut(shard)) {
                *slot = Some(owner);
            }
        }
        Self { map, owners: table }
    }

    /// The key's shard, and its owner unless the shard is free.
    pub fn owner(&self, key: &[u8]) -> Result<(Shard, Option<&O>), KeyError> {
        let shard = shard_of(&self.map, key)?;
        let slot = usize::try_from(shard).ok().and_then(|shard| self.owners.get(shard));
        Ok((shard, slot.and_then(Option::as_ref)))
    }
}
