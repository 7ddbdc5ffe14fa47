//! The gate of pods whose environment comes from annotations: the app may start once the kubelet
//! itself shows our names on the pod, because it fills `fieldRef` from the same copy of the pod.
//!
//! Reads the downward API's format for annotations: one `key="value"` per line, the value escaped
//! as Go's `%q` does.

use cairn_core::identity::{Identity, claim_annotation};

/// `Ok` when the file shows every claim under its own name; otherwise what is missing.
pub fn shows(file: &str, claims: &[Identity]) -> Result<(), String> {
    for claim in claims {
        let key = claim_annotation(&claim.pool);
        let wanted = claim.slot.as_ref().map(|slot| slot.name.as_str());
        let shown = value(file, &key);
        if wanted.is_none() || shown.as_deref() != wanted {
            return Err(format!(
                "pool {}: held, but annotation {key} {}; waiting for the webhook to write it",
                claim.pool,
                match shown {
                    Some(shown) => format!("still says {shown}"),
                    None => "is not on the pod yet".to_owned(),
                }
            ));
        }
    }
    Ok(())
}

/// The value of a key.
fn value(file: &str, key: &str) -> Option<String> {
    file.lines().find_map(|line| {
        let quoted = line.strip_prefix(key)?.strip_prefix('=')?;
        // Names have no characters that Go escapes, so a value that JSON cannot read is not a name.
        serde_json::from_str(quoted).ok()
    })
}

#[cfg(test)]
mod tests {
    use cairn_core::claim::Holder;
    use cairn_core::identity::Slot;

    use super::*;
    use crate::snapshot::Snapshot;

    fn denali() -> Vec<Identity> {
        let pools = ["mountains".parse().unwrap()];
        let mut claims = Snapshot::starting(&pools, "-", &Holder::default()).claims;
        let mut identity = claims.remove(0).identity;
        identity.slot = Some(Slot {
            name: "Denali".into(),
            index: Some(0),
            prefix: "x".into(),
            fence: cairn_core::claim::Fence::default(),
            since: cairn_core::time::UnixMillis(0),
            valid_until: cairn_core::time::UnixMillis(0),
            valid_until_boottime: cairn_core::time::BootInstant::from_nanos(0),
            not_before: None,
            not_after: None,
        });
        vec![identity]
    }

    #[test]
    fn the_gate_opens_when_the_kubelet_shows_our_name() {
        let file = "cairn.dev/pool=\"mountains\"\nclaim.cairn.dev/mountains=\"Denali\"\nx=\"\\\"\"";
        assert_eq!(shows(file, &denali()), Ok(()));
    }

    #[test]
    fn the_gate_stays_closed_on_nothing_on_an_old_name_and_on_a_longer_key() {
        let say = |file: &str| shows(file, &denali()).unwrap_err();
        assert!(say("").contains("is not on the pod yet"));
        assert!(say("claim.cairn.dev/mountains=\"Foraker\"").contains("still says Foraker"));
        assert!(say("claim.cairn.dev/mountains2=\"Denali\"").contains("not on the pod yet"));
        assert!(say("claim.cairn.dev/mountains=Denali").contains("not on the pod yet"));
    }
}
