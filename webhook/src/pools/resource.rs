//! `Pool` (cairn.dev/v1alpha1) as the API server has it, with a raw spec.
//!
//! A typed spec would fail the list, and so the watch, of all pools if one object does not parse. [`check`] returns a
//! message about an invalid spec.

use std::borrow::Cow;

use cairn_core::pool::{Pool, PoolError, PoolSpec};
use k8s_openapi::ClusterResourceScope;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::selector;

const GROUP: &str = "cairn.dev";
const VERSION: &str = "v1alpha1";
const KIND: &str = "Pool";

/// The finalizer of a `Pool` object that is in use.
pub const FINALIZER: &str = "cairn.dev/in-use";

/// A `Pool` object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolObject {
    api_version: String,
    kind: String,
    /// Name, generation, resource version.
    pub metadata: ObjectMeta,
    /// The spec as stored.
    #[serde(default)]
    pub spec: Value,
    /// The status as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
}

// === impl PoolObject ===

impl PoolObject {
    /// A new object, to be created.
    pub fn new(name: &str, spec: Value) -> Self {
        Self {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: KIND.to_owned(),
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            spec,
            status: None,
        }
    }

    /// Its name; an object that was stored always has one.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }
}

impl Resource for PoolObject {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "pools".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Checks a pool completely. The error is a message for the pool's author.
pub fn check(name: &str, spec: &Value) -> Result<Pool, String> {
    let message = |error: PoolError| error.to_string();
    let name = name.parse().map_err(message)?;
    let spec = PoolSpec::strict(spec).map_err(message)?;
    selector::check(&spec.allowed_namespaces)?;
    Pool::new(name, spec).map_err(message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_spec_with_the_defaults_of_the_api_server_is_understood() {
        let spec = json!({
            "names": {"range": {"from": 0, "to": 9, "prefix": "", "width": 0}},
            "scope": "Namespace", "validity": "30s", "quarantine": "15s", "onLoss": "Keep",
            "onExhausted": "Wait", "clock": "None", "prefix": "{namespace}.{group}.{name}",
        });
        assert_eq!(check("ids", &spec).unwrap().names.len(), 10);
    }

    #[test]
    fn an_invalid_pool_gives_a_message() {
        let teas = json!({"names": {"list": ["mint", "mint"]}});
        for (name, spec, message) in [
            ("teas", teas, "name 'mint' is in the list twice; every name may appear once"),
            (
                "env",
                json!({"names": {"list": ["mint"]}}),
                "pool name 'env' is reserved for a file in the shared volume; choose another",
            ),
            ("teas", json!(null), "not a pool spec: invalid type: null, expected struct PoolSpec"),
            (
                "teas",
                json!({"names": {"list": ["mint"]}, "allowedNamespaces":
                    {"matchExpressions": [{"key": "team", "operator": "In"}]}}),
                "allowedNamespaces: operator In on 'team' needs at least one value",
            ),
        ] {
            assert_eq!(check(name, &spec).unwrap_err(), message);
        }
    }

    #[test]
    fn an_object_survives_the_way_there_and_back() {
        let object = PoolObject::new("teas", json!({"names": 7, "unheard": true}));
        let text = serde_json::to_string(&object).unwrap();
        assert_eq!(serde_json::from_str::<PoolObject>(&text).unwrap(), object);
        assert_eq!(PoolObject::url_path(&(), None), "/apis/cairn.dev/v1alpha1/pools");
    }
}
