//! The gate of pods whose environment comes from annotations (`docs/pods.md`, "Variables"). The app may start when
//! the downward API file shows every field of every claim: the kubelet fills `fieldRef` from the same copy of the pod.
//!
//! The file has one `key="value"` per line, with the value escaped as by Go's `%q`.

use cairn_core::identity::{ClaimField, Identity};

/// Checks that the file shows the name, the prefix and the fence of every claim. The error says what is missing.
pub fn shows(file: &str, claims: &[Identity]) -> Result<(), String> {
    for claim in claims {
        for field in ClaimField::ALL {
            let key = field.annotation(&claim.pool);
            let held = claim.slot.as_ref().map(|slot| field.value(slot));
            let shown = value(file, &key);
            if held.is_none() || shown != held {
                return Err(closed(claim, &key, shown));
            }
        }
    }
    Ok(())
}

fn closed(claim: &Identity, key: &str, shown: Option<String>) -> String {
    let what = match shown {
        Some(shown) => format!("still says {shown}"),
        None => "is not on the pod yet".to_owned(),
    };
    format!(
        "pool {}: held, but annotation {key} {what}; waiting for the webhook to write it",
        claim.pool
    )
}

/// The value of a key.
fn value(file: &str, key: &str) -> Option<String> {
    file.lines().find_map(|line| {
        let quoted = line.strip_prefix(key)?.strip_prefix('=')?;
        // A field of a claim has no character that Go escapes. So a value that is not valid JSON is none.
        serde_json::from_str(quoted).ok()
    })
}

#[cfg(test)]
mod tests {
    use cairn_core::claim::{Fence, Holder};
    use cairn_core::identity::Slot;

    use super::*;
    use crate::snapshot::Snapshot;

    const SHOWN: &str = "cairn.dev/pool=\"mountains\"\n\
        claim.cairn.dev/mountains=\"Denali\"\n\
        claim.cairn.dev/mountains.fence=\"7-9\"\n\
        claim.cairn.dev/mountains.prefix=\"shop.a:b.Denali\"\n\
        x=\"\\\"\"";

    fn denali() -> Vec<Identity> {
        let pools = ["mountains".parse().unwrap()];
        let mut claims = Snapshot::starting(&pools, "-", &Holder::default()).claims;
        let mut identity = claims.remove(0).status.identity;
        identity.slot = Some(Slot {
            name: "Denali".into(),
            index: Some(0),
            prefix: "shop.a:b.Denali".into(),
            fence: Fence { epoch: 7, revision: 9 },
            since: cairn_core::time::UnixMillis(0),
            valid_until: cairn_core::time::UnixMillis(0),
            valid_until_boottime: cairn_core::time::BootInstant::from_nanos(0),
            not_before: None,
            not_after: None,
        });
        vec![identity]
    }

    #[test]
    fn the_gate_opens_when_the_kubelet_shows_name_prefix_and_fence() {
        assert_eq!(shows(SHOWN, &denali()), Ok(()));
    }

    #[test]
    fn the_gate_stays_closed_while_any_field_is_missing_or_old() {
        let without = |key: &str| {
            let lines = SHOWN.lines().filter(|line| !line.starts_with(&format!("{key}=")));
            lines.collect::<Vec<_>>().join("\n")
        };
        for field in ClaimField::ALL {
            let key = field.annotation(&denali()[0].pool);
            let missing = shows(&without(&key), &denali()).unwrap_err();
            assert_eq!(
                missing,
                format!(
                    "pool mountains: held, but annotation {key} is not on the pod yet; \
                     waiting for the webhook to write it"
                )
            );
            let old = format!("{}\n{key}=\"old\"", without(&key));
            assert!(shows(&old, &denali()).unwrap_err().contains("still says old"), "{key}");
        }
    }

    #[test]
    fn the_gate_stays_closed_on_nothing_and_on_a_longer_key() {
        let say = |file: &str| shows(file, &denali()).unwrap_err();
        assert!(say("").contains("is not on the pod yet"));
        let longer = SHOWN.replace("claim.cairn.dev/mountains=", "claim.cairn.dev/mountains2=");
        assert!(
            say(&longer).contains("annotation claim.cairn.dev/mountains is not on the pod yet")
        );
        let unquoted = SHOWN.replace("\"Denali\"", "Denali");
        assert!(say(&unquoted).contains("not on the pod yet"));
    }
}
