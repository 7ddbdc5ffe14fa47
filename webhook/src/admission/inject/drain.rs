//! App containers that own shards or lead: they get SIGTERM after everything is handed over.
//!
//! When a pod is deleted, the sidecar's preStop hook drains the member at once. Without more, an app that ends at
//! SIGTERM would leave its shards unserved until their deadlines have passed. So an app container without a preStop of
//! its own gets one that waits for the drain: the app sees its shards stop, confirms, and then gets SIGTERM.
//!
//! Left alone: containers with a preStop, pods in the node's network (the kubelet cannot reach the sidecar there), and
//! pods whose grace period is too short. They drain too, but beside their SIGTERM.

use cairn_core::contract::port;
use serde_json::{Value, json};

use super::apps::{Kind, Target};
use crate::admission::patch::Patch;

/// Adds the hook to one container.
pub(super) fn hold(target: &Target<'_, '_>, patch: &mut Patch) {
    if target.kind != Kind::App {
        return;
    }
    let hook = json!({"httpGet": {"path": port::APP_DRAINED, "port": port::ADMIN}});
    let lifecycle: Option<Value> =
        target.container.lifecycle.and_then(|raw| serde_json::from_str(raw.get()).ok());
    match lifecycle {
        Some(Value::Object(own)) if own.get("preStop").is_some_and(|own| !own.is_null()) => {}
        Some(Value::Object(_)) => patch.add(format!("{}/lifecycle/preStop", target.path), hook),
        _ => patch.add(format!("{}/lifecycle", target.path), json!({"preStop": hook})),
    }
}
