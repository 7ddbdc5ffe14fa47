use super::*;
use crate::time::{BootInstant, UnixMillis};

fn denali() -> Identity {
    Identity {
        pool: "mountains".parse().unwrap(),
        group: "checkout".into(),
        slot: Some(Slot {
            name: "Denali".into(),
            index: Some(0),
            prefix: "shop.checkout.Denali".into(),
            fence: Fence { epoch: 1_795_228_678, revision: 4711 },
            since: UnixMillis(1_795_230_000_000),
            valid_until: UnixMillis(1_795_230_630_000),
            valid_until_boottime: BootInstant::from_nanos(630_000_000_000),
            not_before: None,
            not_after: None,
        }),
        state: ClaimState::Held,
        reason: None,
        rank: None,
        holder: Holder {
            namespace: "shop".into(),
            pod: "checkout-5d4f-x2k".into(),
            uid: "u".into(),
            node: "n".into(),
            incarnation: 1,
        },
    }
}

#[test]
fn the_json_is_the_documented_object() {
    let expected = serde_json::json!({
        "pool": "mountains", "group": "checkout", "name": "Denali", "index": 0,
        "prefix": "shop.checkout.Denali", "state": "held",
        "fence": {"epoch": 1_795_228_678, "revision": 4711},
        "since": "2026-11-21T03:00:00Z", "valid_until": "2026-11-21T03:10:30Z",
        "valid_until_boottime_ns": 630_000_000_000_u64,
        "not_before_ms": null, "not_after_ms": null,
        "holder": {"namespace": "shop", "pod": "checkout-5d4f-x2k", "uid": "u", "node": "n", "incarnation": 1},
    });
    assert_eq!(serde_json::to_value(denali().json()).unwrap(), expected);
}

#[test]
fn files_have_no_newline_and_agree_with_the_json() {
    let files = denali().files();
    let text: Vec<_> = files.iter().take(3).map(|(file, text)| (*file, text.as_str())).collect();
    assert_eq!(
        text,
        [("name", "Denali"), ("prefix", "shop.checkout.Denali"), ("fence", "1795228678-4711")]
    );
    let json: ClaimJson = serde_json::from_str(&files[3].1).unwrap();
    assert_eq!(json, denali().json());
}

#[test]
fn the_env_file_has_plain_variables_of_the_first_pool_and_named_ones_of_every_pool() {
    let second = Identity {
        pool: "node-ids".parse().unwrap(),
        slot: denali().slot.map(|slot| Slot { name: "17".into(), ..slot }),
        ..denali()
    };
    let text = env_file(&[denali(), second]);
    assert!(
        text.starts_with("CAIRN_NAME='Denali'\nCAIRN_PREFIX='shop.checkout.Denali'\n"),
        "{text}"
    );
    assert!(text.contains("\nCAIRN_NODE_IDS_NAME='17'\n"), "{text}");
    assert!(text.lines().all(|line| line.ends_with('\'')), "{text}");
}

#[test]
fn a_waiting_claim_has_no_files_and_no_variables() {
    let waiting = Identity { slot: None, state: ClaimState::Waiting, ..denali() };
    assert!(waiting.files().is_empty());
    assert_eq!(env_file(&[waiting]), "");
}
