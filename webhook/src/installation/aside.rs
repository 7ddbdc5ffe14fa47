//! Sets the webhooks of a second release to `Ignore`.
//!
//! Its webhooks match the same pods as those of the first release, and it never becomes ready: with `failurePolicy:
//! Fail` it would refuse every opted-in pod. It notes the changed webhooks in an annotation, and restores them once the
//! first release is gone.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};
use thiserror::Error;
use tracing::warn;

/// The annotation of a changed configuration: the names of the webhooks that had `Fail`.
const ANNOTATION: &str = "cairn.dev/ignored-as-second-release";

/// A configuration could not be read or changed.
#[derive(Debug, Error)]
#[error("could not change the failure policy of the webhook configuration {name}")]
pub struct AsideError {
    name: String,
    #[source]
    source: kube::Error,
}

/// Sets both configurations to `Ignore`, or restores them.
pub async fn step(client: &Client, configs: &[String; 2], aside: bool) -> Result<(), AsideError> {
    let [mutating, validating] = configs;
    set::<MutatingWebhookConfiguration>(client, mutating, aside).await?;
    set::<ValidatingWebhookConfiguration>(client, validating, aside).await
}

async fn set<K>(client: &Client, name: &str, aside: bool) -> Result<(), AsideError>
where
    K: Resource<DynamicType = ()>,
{
    let failed = |source| AsideError { name: name.to_owned(), source };
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<K>(&()));
    // One that does not exist disturbs nobody.
    let Some(found) = api.get_opt(name).await.map_err(failed)? else { return Ok(()) };
    let webhooks = found.data.get("webhooks").and_then(Value::as_array);
    let noted = found.metadata.annotations.as_ref().and_then(|all| all.get(ANNOTATION));
    let noted = noted.map(String::as_str);
    let Some(patch) = patch(webhooks.map_or(&[][..], Vec::as_slice), noted, aside) else {
        return Ok(());
    };
    api.patch(name, &PatchParams::default(), &Patch::Strategic(&patch)).await.map_err(failed)?;
    warn!(name, aside, "changed the failure policy of our webhooks");
    Ok(())
}

/// A strategic merge patch: webhooks are merged by their names.
fn patch(webhooks: &[Value], noted: Option<&str>, aside: bool) -> Option<Value> {
    let failing = webhooks.iter().filter(|webhook| text(webhook, "failurePolicy") == Some("Fail"));
    let failing = failing.filter_map(|webhook| text(webhook, "name"));
    let noted: Vec<&str> = noted.iter().flat_map(|noted| noted.split(',')).collect();
    let (names, policy): (Vec<&str>, _) =
        if aside { (failing.collect(), "Ignore") } else { (noted.clone(), "Fail") };
    if names.is_empty() {
        return None;
    }
    let note = if aside {
        let mut all = noted;
        all.extend(names.iter().filter(|name| !all.contains(name)).copied().collect::<Vec<_>>());
        json!(all.join(","))
    } else {
        Value::Null
    };
    let webhooks = names.iter().map(|name| json!({"name": name, "failurePolicy": policy}));
    Some(json!({
        "metadata": {"annotations": {ANNOTATION: note}},
        "webhooks": webhooks.collect::<Vec<_>>(),
    }))
}

fn text<'a>(webhook: &'a Value, key: &str) -> Option<&'a str> {
    webhook.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_webhooks_that_were_set_to_ignore_are_restored() {
        let webhooks = |first: &str| {
            [
                json!({"name": "a", "failurePolicy": first}),
                json!({"name": "b", "failurePolicy": "Ignore"}),
            ]
        };
        let aside = patch(&webhooks("Fail"), None, true).unwrap();
        assert_eq!(aside["metadata"]["annotations"][ANNOTATION], "a");
        assert_eq!(aside["webhooks"], json!([{"name": "a", "failurePolicy": "Ignore"}]));
        assert_eq!(patch(&webhooks("Ignore"), Some("a"), true), None);
        let back = patch(&webhooks("Ignore"), Some("a"), false).unwrap();
        assert_eq!(back["metadata"]["annotations"][ANNOTATION], Value::Null);
        assert_eq!(back["webhooks"], json!([{"name": "a", "failurePolicy": "Fail"}]));
        assert_eq!(patch(&webhooks("Fail"), None, false), None);
    }

    #[test]
    fn policies_that_an_upgrade_renders_again_are_set_to_ignore_again() {
        let webhooks = [json!({"name": "a", "failurePolicy": "Fail"})];
        let again = patch(&webhooks, Some("a"), true).unwrap();
        assert_eq!(again["metadata"]["annotations"][ANNOTATION], "a");
    }
}
