//! The conditions of pools. Pure.

use cairn_webhook::pools::resource::PoolObject;
use serde_json::Value;

use super::finding::Finding;

const ABOUT: &str = "pools";

/// Judges all pools.
pub fn judge(pools: &[PoolObject]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = pools.iter().flat_map(of_pool).collect();
    if pools.is_empty() {
        findings.push(Finding::problem(
            ABOUT,
            "there is no Pool; the webhook makes those that ship with Cairn within a minute: look at its log",
        ));
    } else if findings.is_empty() {
        let names: Vec<&str> = pools.iter().map(PoolObject::name).collect();
        findings.push(Finding::fine(ABOUT, format!("ready: {}", names.join(", "))));
    }
    findings
}

fn of_pool(pool: &PoolObject) -> Vec<Finding> {
    let name = pool.name();
    let at = |pointer: &str| pool.status.as_ref().and_then(|status| status.pointer(pointer));
    let number = |field: &str| at(&format!("/{field}")).and_then(Value::as_u64).unwrap_or_default();
    let conditions = at("/conditions").and_then(Value::as_array);
    let text = |condition: &Value, field: &str| {
        condition.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let ready =
        conditions.and_then(|all| all.iter().find(|condition| text(condition, "type") == "Ready"));
    let mut findings = Vec::new();
    match ready {
        None => findings.push(Finding::warning(
            ABOUT,
            format!("'{name}' has no condition yet, so no webhook has looked at it; look at the webhook's log"),
        )),
        Some(condition) if text(condition, "status") != "True" => {
            findings.push(Finding::problem(
                ABOUT,
                format!("'{name}' is not ready ({}): {}", text(condition, "reason"), text(condition, "message")),
            ));
        }
        Some(_) => {}
    }
    let waiting = number("waiting");
    if waiting > 0 {
        let pods = if waiting == 1 { "pod waits" } else { "pods wait" };
        findings.push(Finding::warning(
            ABOUT,
            format!(
                "'{name}': {waiting} {pods} for a name; held: {} of {}, resting: {}; see cairn claims --pool {name}, \
                 and give the pool more names if they are too few",
                number("held"),
                number("capacity"),
                number("quarantined"),
            ),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Level;
    use super::*;

    fn pool(status: Value) -> PoolObject {
        let mut pool = PoolObject::new("teas", json!({"names": {"list": ["mint"]}}));
        pool.status = Some(status);
        pool
    }

    fn ready(status: &str) -> Value {
        json!({"type": "Ready", "status": status, "reason": "InvalidSpec", "message": "correct it"})
    }

    #[test]
    fn pools_that_are_not_ready_or_exhausted_are_found() {
        let good = pool(json!({"conditions": [ready("True")]}));
        assert_eq!(judge(&[good]), [Finding::fine("pools", "ready: teas")]);
        let bad = judge(&[pool(json!({"conditions": [ready("False")]}))]);
        assert_eq!(
            bad,
            [Finding::problem("pools", "'teas' is not ready (InvalidSpec): correct it")]
        );
        let full = json!({"conditions": [ready("True")], "held": 1, "capacity": 1, "waiting": 2});
        assert!(
            judge(&[pool(full)])[0]
                .message
                .starts_with("'teas': 2 pods wait for a name; held: 1 of 1")
        );
        assert_eq!(judge(&[pool(json!({}))])[0].level, Level::Warning);
        assert_eq!(judge(&[])[0].level, Level::Problem);
    }
}
