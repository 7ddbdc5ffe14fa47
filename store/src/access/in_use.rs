//! Which keys show that a namespace needs its permissions still: pure, from keys and records.

use cairn_core::claim::{SlotRecord, TicketRecord};
use cairn_core::coordination::path::{GroupKey, GroupPath};
use cairn_core::keys::Key;
use cairn_core::pool::PoolName;
use cairn_core::quarantine::QuarantineRecord;

use crate::kv::KeyValue;

/// Whether a key of a namespace belongs to a pod that lives, or that has just ended.
pub(crate) fn is_alive(found: &KeyValue) -> bool {
    // Of a group only its members live. Owners, map and leader's value stay behind, and the webhook removes them.
    if let Some((_, key)) = GroupPath::split(&found.key) {
        return matches!(key, GroupKey::Member(_));
    }
    match Key::parse(&found.key) {
        // The first four stay behind, and the webhook removes them. The others are never below a namespace.
        Some(
            Key::Sentinel(_)
            | Key::Note(..)
            | Key::Reclaims(_)
            | Key::Clock(..)
            | Key::Epoch
            | Key::Pool(_)
            | Key::Shape(_)
            | Key::Freeze(_),
        ) => false,
        Some(Key::Owner { .. } | Key::Slot(..) | Key::Ticket(..) | Key::Quarantine(..))
        // A later version's.
        | None => true,
    }
}

/// Whether this is the owner record of a claim from the pool.
pub(crate) fn is_owner_in(pool: &PoolName, found: &KeyValue) -> bool {
    matches!(Key::parse(&found.key), Some(Key::Owner { pool: of, .. }) if of == *pool)
}

/// Whether a key of a cluster pool belongs to a pod of the namespace: a claim, a ticket, or the name that the pod may
/// take back. A claim or ticket that cannot be parsed may be the namespace's.
pub(crate) fn is_of(namespace: &str, found: &KeyValue) -> bool {
    let value = found.value.as_slice();
    let of = |holder: &cairn_core::claim::Holder| holder.namespace == namespace;
    match Key::parse(&found.key) {
        Some(Key::Slot(..)) => {
            serde_json::from_slice(value).map_or(true, |record: SlotRecord| of(&record.holder))
        }
        Some(Key::Ticket(..)) => {
            serde_json::from_slice(value).map_or(true, |record: TicketRecord| of(&record.holder))
        }
        // A quarantine after a forced release has no record, and nobody may take the name back.
        Some(Key::Quarantine(..)) => {
            serde_json::from_slice(value).is_ok_and(|record: QuarantineRecord| of(&record.holder))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, value: &str) -> KeyValue {
        let (key, value) = (format!("/cairn/v1/{key}"), value.as_bytes().to_vec());
        KeyValue { key, value, create_revision: 1, mod_revision: 1, lease: 0 }
    }

    #[test]
    fn what_a_living_pod_has_keeps_a_namespace_and_what_stays_behind_does_not() {
        for key in [
            "g/checkout/m/u1",
            "o/u1/tea",
            "c/tea/-/s/a",
            "c/tea/-/q/u1",
            "c/tea/-/x/a",
            "unheard/of",
        ] {
            assert!(is_alive(&found(&format!("ns/shop/{key}"), "")), "{key}");
        }
        let groups = ["c", "l", "lv", "s/00003", "x/u1"].map(|key| format!("g/checkout/{key}"));
        let claims = ["c/tea/-/g", "c/tea/-/r", "c/tea/-/d/a", "c/tea/-/h/a"].map(str::to_owned);
        for key in groups.iter().chain(&claims) {
            assert!(!is_alive(&found(&format!("ns/shop/{key}"), "")), "{key}");
        }
    }

    #[test]
    fn keys_of_a_cluster_pool_belong_to_the_namespace_in_their_record() {
        let holder = r#""namespace":"shop","pod":"p","uid":"u","node":"n","incarnation":1"#;
        let slot =
            format!(r#"{{{holder},"nonce":"n","since":1,"validity_ms":1,"quarantine_ms":1}}"#);
        let ticket = format!(r#"{{{holder},"since":1}}"#);
        let quarantine = format!(
            r#"{{{holder},"fence":{{"epoch":1,"revision":1}},"since":1,"waits_for":"time"}}"#
        );
        for (key, value) in [("s/1", &slot), ("q/u", &ticket), ("x/1", &quarantine)] {
            let key = found(&format!("cluster/numbers/-/{key}"), value);
            assert!(is_of("shop", &key), "{key:?}");
            assert!(!is_of("bar", &key), "{key:?}");
        }
        assert!(is_of("bar", &found("cluster/numbers/-/s/1", "?")), "a later version's claim");
        assert!(!is_of("bar", &found("cluster/numbers/-/x/1", "46")));
        assert!(!is_of("shop", &found("cluster/numbers/-/h/1", &slot)));
    }

    #[test]
    fn an_owner_record_names_its_pool() {
        let (tea, coffee) = ("tea".parse().unwrap(), "coffee".parse().unwrap());
        let key = found("ns/shop/o/u1/tea", "{}");
        assert!(is_owner_in(&tea, &key) && !is_owner_in(&coffee, &key));
    }
}
