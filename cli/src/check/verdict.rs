//! The verdicts about the objects of a manifest: one for each pod template and each pool.

use cairn_core::contract::annotation;
use cairn_core::pool::{Pool, PoolError, PoolName, PoolSpec};
use cairn_core::request::Request;
use cairn_core::request::coordination::Coordination;
use serde_json::Value;

use crate::manifest::layout::{Layout, at};
use crate::manifest::metadata::{ours, subject};

/// The only version of `Pool`.
const POOL_VERSION: &str = "cairn.dev/v1alpha1";

/// An object of a manifest, and the verdict about its pods or its pool.
#[derive(Debug)]
pub struct Examined<'d> {
    /// The object.
    pub object: &'d Value,
    /// Such as `Deployment shop/checkout`.
    pub subject: String,
    /// What Cairn would do.
    pub verdict: Verdict,
}

/// What Cairn would do.
#[derive(Debug)]
pub enum Verdict {
    /// The pods claim from these pools, and coordinate this. One of them may be missing.
    Asks(Vec<PoolName>, Option<Coordination>),
    /// The pods claim nothing.
    Nothing,
    /// The pool is accepted.
    Pool(Box<Pool>),
    /// Admission refuses the object with this message, or it would ignore what the user meant for Cairn.
    Refused(String),
}

/// What one document comes to; nothing for kinds without pods that are no pools.
pub fn examine(document: &Value) -> Vec<Examined<'_>> {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if kind == "List" {
        let items = document.get("items").and_then(Value::as_array);
        return items.into_iter().flatten().flat_map(examine).collect();
    }
    let verdicts = if kind == "Pool" && version.starts_with(annotation::PREFIX) {
        vec![pool(document, version)]
    } else if let Some(layout) = Layout::of(kind, document) {
        pods(document, kind, &layout)
    } else {
        return Vec::new();
    };
    let subject = subject(kind, document);
    let examined = |verdict| Examined { object: document, subject: subject.clone(), verdict };
    verdicts.into_iter().map(examined).collect()
}

fn pool(object: &Value, version: &str) -> Verdict {
    if version != POOL_VERSION {
        return Verdict::Refused(format!(
            "apiVersion '{version}' is not known; write {POOL_VERSION}"
        ));
    }
    let name = object.get("metadata").and_then(|metadata| metadata.get("name"));
    let checked = || {
        let name: PoolName = name.and_then(Value::as_str).unwrap_or_default().parse()?;
        let spec = object.get("spec").cloned().unwrap_or_default();
        let spec = PoolSpec::strict(spec).map_err(|error| match error {
            PoolError::Malformed(reason) => PoolError::Malformed(with_advice(reason)),
            other => other,
        })?;
        Pool::new(name, spec)
    };
    match checked() {
        Ok(pool) => Verdict::Pool(Box::new(pool)),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

/// Adds advice: YAML reads `yes` as a boolean and `07` as a number.
fn with_advice(mut reason: String) -> String {
    if reason.ends_with("expected a string") {
        reason.push_str("; put it into quotes");
    }
    reason
}

fn pods(object: &Value, kind: &str, layout: &Layout) -> Vec<Verdict> {
    let Some(template) = at(object, layout.template) else {
        let path = layout.template.join(".");
        return vec![Verdict::Refused(format!(
            "{path} is missing; write the pods' metadata and spec there"
        ))];
    };
    let mut verdicts: Vec<Verdict> = layout
        .around
        .iter()
        .filter_map(|path| at(object, path))
        .filter_map(|object| misplaced(object, template, kind, layout))
        .map(Verdict::Refused)
        .collect();
    match request(template) {
        // A misplaced annotation is reported already; "asks for no name" would confuse the user.
        Ok(None) if !verdicts.is_empty() => {}
        Ok(None) => verdicts.push(Verdict::Nothing),
        Ok(Some(request)) => verdicts.push(Verdict::Asks(request.pools, request.coordination)),
        Err(message) => verdicts.push(Verdict::Refused(message)),
    }
    verdicts
}

fn request(template: &Value) -> Result<Option<Request>, String> {
    let ours = ours(template)?;
    Request::parse(ours.annotations, ours.labels).map_err(|error| error.to_string())
}

/// The message about the first key that is on the workload and not on its pods. A key on both is fine: some tools do
/// that.
fn misplaced(object: &Value, template: &Value, kind: &str, layout: &Layout) -> Option<String> {
    let (there, here) = match (ours(object), ours(template)) {
        (Ok(there), Ok(here)) => (there, here),
        (Err(message), _) => return Some(message),
        // It is reported for the template itself.
        (_, Err(_)) => return None,
    };
    let placed = |key: &str| here.annotations.iter().any(|(placed, _)| *placed == key);
    let annotations = there.annotations.iter().map(|(key, _)| ("annotation", *key));
    let labels = there.labels.iter().map(|(key, _)| ("label", *key));
    let (what, key) = annotations
        .chain(labels)
        .find(|(_, key)| *key != annotation::INJECTED_LABEL && !placed(key))?;
    let path = layout.template.join(".");
    Some(format!(
        "{what} {key} has no effect on the {kind} itself; write it under {path}.metadata.annotations"
    ))
}

#[cfg(test)]
mod tests;
