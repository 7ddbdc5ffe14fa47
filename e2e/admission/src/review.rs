//! Reviews as the API server posts them, and what an answer does to the object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thiserror::Error;

/// The UID of every review.
pub const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The object after the patch, and the warnings.
    Allowed(Value, Vec<String>),
    /// The message.
    Refused(String),
}

/// Why an answer is not one that the API server takes.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// It is not JSON.
    #[error("the answer is not JSON")]
    Json(#[from] serde_json::Error),
    /// A field of the review is missing or wrong.
    #[error("the answer has a wrong {0}: {1}")]
    Field(&'static str, String),
    /// The patch is not base64.
    #[error("the patch is not base64")]
    Base64(#[from] base64::DecodeError),
    /// The patch does not fit the object.
    #[error("the patch does not apply")]
    Patch(#[from] json_patch::PatchError),
}

/// The body of a review about the creation of an object.
pub fn body(object: &Value, namespace: &str, dry_run: bool) -> Vec<u8> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "system:admin", "groups": ["system:masters"]},
            "object": object,
            "oldObject": null,
            "dryRun": dry_run,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    review.to_string().into_bytes()
}

/// Reads an answer strictly, and applies its patch to the object of the review. A review that could not be read is
/// answered under an empty UID.
pub fn answer(bytes: &[u8], object: &Value) -> Result<Answer, AnswerError> {
    let review: Value = serde_json::from_slice(bytes)?;
    let wrong = |field, value: &Value| Err(AnswerError::Field(field, value.to_string()));
    if review["apiVersion"] != "admission.k8s.io/v1" || review["kind"] != "AdmissionReview" {
        return wrong("kind", &review["kind"]);
    }
    let response = &review["response"];
    if !response["uid"].is_string() {
        return wrong("uid", &response["uid"]);
    }
    let Some(allowed) = response["allowed"].as_bool() else {
        return wrong("allowed", &response["allowed"]);
    };
    if !allowed {
        return match response["status"]["message"].as_str() {
            Some(message) if !message.is_empty() && response.get("patch").is_none() => {
                Ok(Answer::Refused(message.to_owned()))
            }
            _ => wrong("status", &response["status"]),
        };
    }
    let mut object = object.clone();
    match (response.get("patch"), response.get("patchType")) {
        (None, None) => {}
        (Some(Value::String(patch)), Some(kind)) if kind == "JSONPatch" => {
            let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch)?)?;
            if patch.is_empty() {
                return wrong("patch", &json!([]));
            }
            json_patch::patch(&mut object, &patch)?;
        }
        _ => return wrong("patchType", &response["patchType"]),
    }
    let warnings = match response.get("warnings") {
        None => Vec::new(),
        Some(warnings) => serde_json::from_value(warnings.clone())?,
    };
    Ok(Answer::Allowed(object, warnings))
}
