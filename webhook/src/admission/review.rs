//! `AdmissionReview` (admission.k8s.io/v1), in and out.
//!
//! Invariant: every body, also an unreadable one, gets a well-formed review: users see any other response only as
//! "failed calling webhook". The object stays raw, so that each decision parses only what it needs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::patch::Patch;
use crate::view::Text;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// What a response usually takes besides its patch.
const OTHER_BYTES: usize = 256;

/// The request of the API server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRequest<'a> {
    /// Identifies the request; the response repeats it.
    #[serde(borrow)]
    pub uid: Text<'a>,
    /// The namespace of the object; empty for cluster-scoped ones.
    #[serde(borrow, default)]
    pub namespace: Text<'a>,
    /// `CREATE`, `UPDATE`, …
    #[serde(borrow)]
    pub operation: Text<'a>,
    /// Whether the request must have no side effects.
    #[serde(default)]
    pub dry_run: Option<bool>,
    /// The object as it would be stored.
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    /// The object as it is stored, for updates.
    #[serde(borrow, default)]
    pub old_object: Option<&'a RawValue>,
}

/// The response of Cairn.
#[derive(Debug, Default, PartialEq)]
pub struct AdmissionResponse {
    /// The message, if the object is refused.
    pub refusal: Option<String>,
    /// The changes of the object.
    pub patch: Patch,
    /// Warnings that `kubectl` shows.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Review<'a> {
    #[serde(borrow, default)]
    request: Option<AdmissionRequest<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewOut<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: ResponseOut<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseOut<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    reason: &'static str,
    message: &'a str,
}

/// Parses a body. The error is a message for the response.
pub fn read(body: &[u8]) -> Result<AdmissionRequest<'_>, String> {
    let review: Review<'_> = serde_json::from_slice(body)
        .map_err(|error| format!("the request is not an AdmissionReview of v1: {error}"))?;
    review.request.ok_or_else(|| "the request is an AdmissionReview without a request".to_owned())
}

/// Writes the response to the request with this UID, which is empty if the request was unreadable.
pub fn write(uid: &str, answer: &AdmissionResponse) -> Vec<u8> {
    let patch = match &answer.refusal {
        None if !answer.patch.is_empty() => Some(STANDARD.encode(answer.patch.to_json())),
        _ => None,
    };
    let review = ReviewOut {
        api_version: API_VERSION,
        kind: KIND,
        response: ResponseOut {
            uid,
            allowed: answer.refusal.is_none(),
            // The API server itself answers 422 for a pod with invalid fields.
            status: answer.refusal.as_deref().map(|message| Status {
                code: 422,
                reason: "Invalid",
                message,
            }),
            patch_type: patch.is_some().then_some("JSONPatch"),
            patch,
            warnings: &answer.warnings,
        },
    };
    let patch_bytes = review.response.patch.as_ref().map_or(0, String::len);
    let mut body = Vec::with_capacity(patch_bytes + OTHER_BYTES);
    match serde_json::to_writer(&mut body, &review) {
        Ok(()) => body,
        Err(_) => Vec::new(),
    }
}

// === impl AdmissionResponse ===

impl AdmissionResponse {
    /// Allowed without changes.
    pub fn allowed() -> Self {
        Self::default()
    }

    /// Refused with a message.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { refusal: Some(message.into()), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_body_that_cannot_be_read_still_gets_a_review() {
        for body in [&b""[..], b"{", b"[]", b"{\"request\":{}}", b"{\"kind\":\"Pod\"}"] {
            let message = read(body).unwrap_err();
            let out: Value =
                serde_json::from_slice(&write("", &AdmissionResponse::refused(message))).unwrap();
            assert_eq!(out["kind"], "AdmissionReview");
            assert_eq!(out["response"]["allowed"], false);
            assert!(out["response"]["status"]["message"].is_string());
        }
    }

    #[test]
    fn an_empty_patch_is_left_out_altogether() {
        let out: Value =
            serde_json::from_slice(&write("u", &AdmissionResponse::allowed())).unwrap();
        assert_eq!(out["response"], json!({"uid": "u", "allowed": true}));
    }

    #[test]
    fn a_patch_is_base64_of_its_operations() {
        let mut answer = AdmissionResponse::allowed();
        answer.patch.add("/a", json!(1));
        let out: Value = serde_json::from_slice(&write("u", &answer)).unwrap();
        assert_eq!(out["response"]["patchType"], "JSONPatch");
        let bytes = STANDARD.decode(out["response"]["patch"].as_str().unwrap()).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&bytes).unwrap(),
            json!([{"op": "add", "path": "/a", "value": 1}])
        );
    }
}
