//! Hashes of keys: fixed for ever, because all members, and clients in all languages, must agree on them.

use crc::{CRC_64_GO_ISO, Crc};
use twox_hash::XxHash64;

/// Steps of [`sequence`], and of shard numbers in the plan: 2^64 divided by the golden ratio.
pub const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

const CRC64_ISO: Crc<u64> = Crc::<u64>::new(&CRC_64_GO_ISO);

/// XXH64 with seed 0.
pub fn xxh64(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// FNV-1a of 64 bits.
pub fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// CRC-64 with the polynomial of ISO 3309, as Go's `crc64.MakeTable(crc64.ISO)` computes it.
pub fn crc64_iso(bytes: &[u8]) -> u64 {
    CRC64_ISO.checksum(bytes)
}

/// Spreads a number over all 64 bits: the finalizer of `MurmurHash3`. Each value has exactly one origin.
pub const fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    value ^= value >> 33;
    value = value.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

/// The numbers that belong to a hash: `mix(hash + i · STEP)` for i from 1 to `count`.
pub fn sequence(hash: u64, count: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(move |index| mix(hash.wrapping_add(index.wrapping_mul(STEP))))
}
