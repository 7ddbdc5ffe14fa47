//! The test vectors as one JSON document.

use std::fmt::Write as _;

use cairn_core::coordination::lookup::hash::{crc64_iso, fnv1a64, xxh64};
use cairn_core::coordination::lookup::{Multiprobe, Rendezvous, Ring, shard_of};
use cairn_core::coordination::map::{KeyHash, ShardMap};
use serde_json::{Value, json};

const ABOUT: &str = "Test vectors of Cairn's lookups (docs/coordination.md, Lookup). key_hex is the key's bytes, \
    key its text if it is one; hashes are 16 hexadecimal digits. shards: the key's shard for each number of \
    shards N; null: the key is no number. owners: the first three owners of the key, as indices into identities.";

/// The numbers of shards.
const COUNTS: [u32; 3] = [1, 16, 10_000];

/// How many owners of a key.
const OWNERS: usize = 3;

/// The document, with a line for each vector.
pub(crate) fn document() -> String {
    let mut text = String::from("{\n");
    let _ = writeln!(text, "  \"about\": {},", json!(ABOUT));
    let _ =
        writeln!(text, "  \"shards\": [\n{}\n  ],", lines(keys().iter().map(|key| shards(key))));
    let groups = [&[] as &[&str], &["Denali"], &TEN];
    let _ = writeln!(text, "  \"members\": [\n{}\n  ]", lines(groups.into_iter().map(members)));
    text.push_str("}\n");
    text
}

const TEN: [&str; 10] = [
    "Denali",
    "Aconcagua",
    "Matterhorn",
    "Kilimanjaro",
    "Großglockner",
    "富士山",
    "0b9a52a1-6f0c-4c0e-9a53-0f7e51b0d001",
    "0b9a52a1-6f0c-4c0e-9a53-0f7e51b0d002",
    "0b9a52a1-6f0c-4c0e-9a53-0f7e51b0d003",
    "0b9a52a1-6f0c-4c0e-9a53-0f7e51b0d004",
];

/// Empty, text, Unicode, binary, long, and numbers.
fn keys() -> Vec<Vec<u8>> {
    let texts = [
        "",
        "a",
        "abc",
        "123456789",
        "user:42",
        "orders/2026/11/26",
        "Denali",
        "naïve café",
        "日本語のキー",
        "🏔️",
        "0",
        "7",
        "15",
        "16",
        "42",
        "0042",
        "9999",
        "10000",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "+1",
    ];
    let mut keys: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    keys.extend([vec![0], vec![0; 8], vec![0xff, 0xfe, 0x00, 0x80], (0..=255).collect()]);
    // The lengths at which XXH64 goes other ways.
    keys.extend([3, 4, 7, 8, 31, 32, 33, 64, 1000].map(|length| vec![b'x'; length]));
    keys
}

fn shards(key: &[u8]) -> Value {
    let by = |hash: KeyHash| COUNTS.map(|shards| shard_of(&ShardMap { shards, hash }, key).ok());
    json!({
        "key": text(key),
        "key_hex": hex(key),
        "xxh64": format!("{:016x}", xxh64(key)),
        "fnv1a64": format!("{:016x}", fnv1a64(key)),
        "crc64-iso": format!("{:016x}", crc64_iso(key)),
        "shards": {
            "N": COUNTS,
            "xxh64": by(KeyHash::Xxh64),
            "fnv1a64": by(KeyHash::Fnv1a64),
            "crc64-iso": by(KeyHash::Crc64Iso),
            "int": by(KeyHash::Int),
        },
    })
}

fn members(identities: &[&str]) -> Value {
    let names = || identities.iter().copied();
    let (rendezvous, ring, multiprobe) =
        (Rendezvous::new(names()), Ring::new(names()), Multiprobe::new(names()));
    let owners = |key: &Vec<u8>| {
        json!({
            "key_hex": hex(key),
            "rendezvous": rendezvous.owners(key, OWNERS),
            "ring": ring.owners(key, OWNERS),
            "multiprobe": multiprobe.owners(key, OWNERS),
        })
    };
    json!({ "identities": identities, "owners": keys().iter().map(owners).collect::<Vec<_>>() })
}

fn text(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key).ok().filter(|text| !text.chars().any(char::is_control))
}

fn hex(key: &[u8]) -> String {
    key.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn lines(values: impl Iterator<Item = Value>) -> String {
    let lines: Vec<String> = values.map(|value| format!("    {value}")).collect();
    lines.join(",\n")
}
