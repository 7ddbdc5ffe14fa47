//! Admission of `Pool` objects: refuses invalid specs, and changes after which held claims would not be unique.
//!
//! The CRD's schema checks much of this. This module also checks what a schema cannot express (a name given twice) and
//! what an older schema in the cluster lacks. Pure.
//!
//! An object that is being deleted, and a write without a change of the spec, always pass: otherwise the finalizers of
//! an invalid pool could not be removed.

use cairn_core::pool::{ClockRule, IdsSpec, Pool, Scope};
use serde::Deserialize;
use serde_json::Value;

use super::review::{self, AdmissionRequest, AdmissionResponse};
use crate::pools::resource::check;

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    spec: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

/// Bytes in, bytes out: the answer to an `AdmissionReview` about a `Pool`.
pub fn review(body: &[u8]) -> Vec<u8> {
    match review::read(body) {
        Ok(request) => review::write(&request.uid, &decide(&request)),
        Err(message) => review::write("", &AdmissionResponse::refused(message)),
    }
}

/// Decides about one creation or update.
pub fn decide(request: &AdmissionRequest<'_>) -> AdmissionResponse {
    let Some(raw) = request.object else {
        // A deletion has no object to check.
        return AdmissionResponse::allowed();
    };
    let object: Object = match serde_json::from_str(raw.get()) {
        Ok(object) => object,
        Err(error) => return AdmissionResponse::refused(format!("not a Pool: {error}")),
    };
    let old = request.old_object.and_then(|raw| serde_json::from_str::<Object>(raw.get()).ok());
    let untouched = old.as_ref().is_some_and(|old| old.spec == object.spec);
    if untouched || object.metadata.deletion_timestamp.is_some() {
        return AdmissionResponse::allowed();
    }
    let pool = match check(&object.metadata.name, &object.spec) {
        Ok(pool) => pool,
        Err(message) => return AdmissionResponse::refused(message),
    };
    old.map_or_else(AdmissionResponse::allowed, |old| change(&old, &pool))
}

fn change(old: &Object, new: &Pool) -> AdmissionResponse {
    // Field by field: pods may have claimed from an old spec that does not pass the present checks.
    if field::<Scope>(&old.spec, "scope").is_some_and(|scope| scope != new.spec.scope) {
        return AdmissionResponse::refused(
            "scope cannot be changed, because claims already held would stop being unique; create another pool instead",
        );
    }
    if field::<ClockRule>(&old.spec, "clock").is_some_and(|clock| clock != new.spec.clock) {
        return AdmissionResponse::refused(
            "clock cannot be changed, because earlier holders have reserved no time; create another pool instead",
        );
    }
    let ids = field::<Option<IdsSpec>>(&old.spec, "ids").map(Option::unwrap_or_default);
    let layout = |ids: &IdsSpec| ids.parse().ok();
    if ids.and_then(|ids| layout(&ids)) != layout(&new.spec.ids.clone().unwrap_or_default()) {
        return AdmissionResponse::refused(
            "ids cannot be changed, because IDs of two layouts or epochs can be equal; create another pool instead",
        );
    }
    AdmissionResponse {
        warnings: removed(old, new).into_iter().collect(),
        ..AdmissionResponse::allowed()
    }
}

/// A field of a raw spec, or its default; `None` if it is unreadable.
fn field<T: Default + for<'de> Deserialize<'de>>(spec: &Value, name: &str) -> Option<T> {
    spec.get(name).map_or_else(|| Some(T::default()), |value| T::deserialize(value).ok())
}

/// A warning about removed names: pods keep them.
fn removed(old: &Object, new: &Pool) -> Option<String> {
    let old = check(&old.metadata.name, &old.spec).ok()?;
    let gone = |key: &str| new.names.index_of(key).is_none();
    let count =
        (0..old.names.len()).filter_map(|i| old.names.key(i)).filter(|key| gone(key)).count();
    (count > 0).then(|| {
        format!(
            "{count} of {} names were removed from the pool; pods that hold them keep them until they end, then they \
             are not given out again",
            old.names.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pool(spec: &Value) -> Value {
        json!({"apiVersion": "cairn.dev/v1alpha1", "kind": "Pool", "metadata": {"name": "teas"}, "spec": spec})
    }

    fn answer(operation: &str, object: &Value, old: &Value) -> Value {
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request":
            {"uid": "u", "operation": operation, "object": object, "oldObject": old}});
        let out: Value = serde_json::from_slice(&review(body.to_string().as_bytes())).unwrap();
        assert_eq!(out["response"]["uid"], "u");
        out["response"].clone()
    }

    fn created(spec: &Value) -> Value {
        answer("CREATE", &pool(spec), &Value::Null)
    }

    fn updated(old: &Value, new: &Value) -> Value {
        answer("UPDATE", &pool(new), &pool(old))
    }

    #[test]
    fn a_good_pool_is_allowed() {
        assert_eq!(
            created(&json!({"names": {"list": ["mint"]}})),
            json!({"uid": "u", "allowed": true})
        );
    }

    #[test]
    fn a_bad_pool_is_refused_with_what_to_write_instead() {
        let refused = created(&json!({"names": {"list": ["mint", "mint"]}}));
        assert_eq!(refused["allowed"], false);
        assert_eq!(
            refused["status"]["message"],
            "name 'mint' is in the list twice; every name may appear once"
        );
        let bad = updated(&json!({"names": {"list": ["mint"]}}), &json!({"names": {"list": []}}));
        assert_eq!(bad["status"]["message"], "names.list is empty; give it at least one name");
    }

    #[test]
    fn scope_and_clock_cannot_be_changed() {
        let names = json!({"range": {"from": 0, "to": 9}});
        let spec =
            |scope: &str, clock: &str| json!({"names": names, "scope": scope, "clock": clock});
        let unset = json!({"names": {"range": {"from": 0, "to": 9}}});
        for (old, new, field) in [
            (spec("Namespace", "None"), spec("Cluster", "None"), "scope cannot be changed"),
            (unset.clone(), spec("Cluster", "None"), "scope cannot be changed"),
            (spec("Cluster", "Reserve"), spec("Cluster", "None"), "clock cannot be changed"),
        ] {
            let refused = updated(&old, &new);
            let message = refused["status"]["message"].as_str().unwrap();
            assert!(
                message.starts_with(field) && message.contains("create another pool"),
                "{message}"
            );
        }
        assert_eq!(updated(&unset, &spec("Namespace", "None"))["allowed"], true);
    }

    #[test]
    fn the_layout_and_the_epoch_of_ids_cannot_be_changed() {
        let spec = |ids: &Value| {
            let mut spec = json!({"names": {"range": {"from": 0, "to": 9}}, "clock": "Reserve"});
            if !ids.is_null() {
                spec["ids"] = ids.clone();
            }
            spec
        };
        let (none, other) = (json!(null), json!({"layout": "42/8/13"}));
        let usual = json!({"layout": "41/10/12", "epoch": "2020-01-01T00:00:00.000Z"});
        let epoch = json!({"epoch": "2026-01-01T00:00:00Z"});
        assert_eq!(created(&spec(&other))["allowed"], true);
        for (old, new) in [(&none, &other), (&other, &none), (&usual, &epoch), (&epoch, &other)] {
            let refused = updated(&spec(old), &spec(new));
            let message = refused["status"]["message"].as_str().unwrap_or_default();
            assert!(message.starts_with("ids cannot be changed"), "{old} {new}: {message}");
        }
        for (old, new) in [(&none, &usual), (&usual, &none), (&other, &other)] {
            assert_eq!(updated(&spec(old), &spec(new))["allowed"], true, "{old} {new}");
        }
    }

    #[test]
    fn removed_names_are_allowed_and_explained() {
        let names = |names: &[&str]| json!({"names": {"list": names}});
        let answer = updated(&names(&["mint", "assam", "oolong"]), &names(&["assam"]));
        assert_eq!(answer["allowed"], true);
        assert!(answer["warnings"][0].as_str().unwrap().starts_with("2 of 3 names were removed"));
        let longer = updated(&names(&["mint"]), &names(&["mint", "assam"]));
        assert_eq!(longer, json!({"uid": "u", "allowed": true}));
    }

    #[test]
    fn a_broken_pool_can_still_be_labelled_and_deleted() {
        let broken = json!({"names": {"list": []}});
        assert_eq!(updated(&broken, &broken)["allowed"], true);
        let mut leaving = pool(&json!({"names": {}}));
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-21T03:00:00Z");
        assert_eq!(answer("UPDATE", &leaving, &pool(&broken))["allowed"], true);
        assert_eq!(answer("DELETE", &Value::Null, &pool(&broken))["allowed"], true);
    }

    #[test]
    fn a_body_that_cannot_be_read_is_refused_with_a_review() {
        let out: Value = serde_json::from_slice(&review(b"{")).unwrap();
        assert_eq!(out["response"]["allowed"], false);
    }
}
