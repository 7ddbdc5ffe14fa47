//! The map: into how many shards keys are divided, and by which hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most shards of a group. 10,000 shard keys are 1.4 MB in etcd and in every watch of them.
pub const MOST_SHARDS: u32 = 10_000;

/// A shard's number, below [`ShardMap::shards`].
pub type Shard = u32;

/// The value of `c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ShardMap {
    /// N.
    pub shards: u32,
    /// How a key becomes a shard.
    pub hash: KeyHash,
}

/// How a key becomes a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyHash {
    /// XXH64 with seed 0; the shard is the high word of hash · N.
    #[default]
    Xxh64,
    /// FNV-1a, 64 bits; the shard is the high word of hash · N.
    Fnv1a64,
    /// CRC-64/ISO (GO-ISO); the shard is the hash modulo N.
    Crc64Iso,
    /// The key is a decimal number; the shard is the number modulo N.
    Int,
}

/// The text is not a hash.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("hash '{0}' is not known; write xxh64, fnv1a64, crc64-iso or int")]
pub struct KeyHashError(String);

// === impl KeyHash ===

impl KeyHash {
    /// Every hash.
    pub const ALL: [Self; 4] = [Self::Xxh64, Self::Fnv1a64, Self::Crc64Iso, Self::Int];

    /// As in annotations and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Xxh64 => "xxh64",
            Self::Fnv1a64 => "fnv1a64",
            Self::Crc64Iso => "crc64-iso",
            Self::Int => "int",
        }
    }
}

impl FromStr for KeyHash {
    type Err = KeyHashError;

    fn from_str(text: &str) -> Result<Self, KeyHashError> {
        let found = Self::ALL.into_iter().find(|hash| hash.as_str() == text);
        found.ok_or_else(|| KeyHashError(text.to_owned()))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_in_json_as_in_annotations() {
        for hash in KeyHash::ALL {
            assert_eq!(serde_json::to_value(hash).unwrap(), hash.as_str());
            assert_eq!(hash.as_str().parse(), Ok(hash));
        }
        assert!("md5".parse::<KeyHash>().is_err());
    }
}
