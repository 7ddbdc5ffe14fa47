//! Who calls: the API server's review of the token in a request.
//!
//! The token is a projected service account token with our audience that is bound to a pod (KEP-1205). Only what the
//! review says is believed; claims within the token are not read here.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use thiserror::Error;
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;

use cairn_core::contract::pod::TOKEN_AUDIENCE;

/// Reviews at a time. The API server answers one in a few milliseconds; a flood of forged tokens must not occupy it.
const REVIEWS: usize = 16;
/// Requests that may wait for a review. A thousand pods that start together wait about a second.
const WAITING: usize = 2048;
/// A projected token has about 1,300 bytes. Names of 253 characters in it add less than this.
const MAX_TOKEN: usize = 8 * 1024;

const USER_PREFIX: &str = "system:serviceaccount:";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// The pod that calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Its UID.
    pub uid: String,
}

/// Asks the API server.
#[derive(Debug)]
pub struct Reviewer {
    reviews: Reviews,
    waiting: Semaphore,
    running: Semaphore,
}

/// Why a token was not accepted.
#[derive(Debug, Error)]
pub enum ReviewError {
    /// The API server does not accept the token for our audience.
    #[error("the API server does not accept the token: {0}")]
    Refused(String),
    /// The token is valid but is not bound to a pod.
    #[error(
        "the token is not bound to a pod; use the projected token that Cairn's webhook adds to the pod"
    )]
    NotPod,
    /// The review failed.
    #[error("could not ask the API server whose token it is")]
    Api(#[source] kube::Error),
    /// Too many requests wait already.
    #[error("too many pods enrol at the same time; the sidecar tries again")]
    Busy,
}

struct Reviews(Api<TokenReview>);

// === impl Reviewer ===

impl Reviewer {
    /// Asks through this client.
    pub fn new(client: Client) -> Self {
        Self {
            reviews: Reviews(Api::all(client)),
            waiting: Semaphore::new(WAITING),
            running: Semaphore::new(REVIEWS),
        }
    }

    /// The pod whose token it is.
    pub async fn review(&self, token: &str) -> Result<Caller, ReviewError> {
        let _place = self.waiting.try_acquire().map_err(|_| ReviewError::Busy)?;
        let _turn = self.running.acquire().await.map_err(|_| ReviewError::Busy)?;
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![TOKEN_AUDIENCE.to_owned()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let reviewed = self.reviews.0.create(&PostParams::default(), &review).await;
        caller(&reviewed.map_err(ReviewError::Api)?.status.unwrap_or_default())
    }
}

impl std::fmt::Debug for Reviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reviews")
    }
}

/// The token in a request's metadata.
pub fn bearer(metadata: &MetadataMap) -> Option<&str> {
    let value = metadata.get("authorization")?.to_str().ok()?;
    let token = value.strip_prefix("Bearer ")?.trim();
    (!token.is_empty() && token.len() <= MAX_TOKEN).then_some(token)
}

/// The pod that a review names.
fn caller(status: &TokenReviewStatus) -> Result<Caller, ReviewError> {
    let refused = |reason: &str| Err(ReviewError::Refused(reason.to_owned()));
    if status.authenticated != Some(true) {
        return refused(status.error.as_deref().unwrap_or("it is not valid"));
    }
    // An API server that does not know audiences accepts a token for any of them and leaves this out.
    let audiences = status.audiences.as_deref().unwrap_or_default();
    if !audiences.iter().any(|audience| audience == TOKEN_AUDIENCE) {
        return refused("it is not for the audience cairn.dev");
    }
    let user = status.user.as_ref();
    let account = user.and_then(|user| user.username.as_deref()?.strip_prefix(USER_PREFIX));
    let namespace = account.and_then(|account| account.split_once(':')).map(|(first, _)| first);
    let extra = |key: &str| match user?.extra.as_ref()?.get(key)?.as_slice() {
        [value] if !value.is_empty() => Some(value.clone()),
        _ => None,
    };
    match (namespace, extra(POD_NAME), extra(POD_UID)) {
        (Some(namespace), Some(pod), Some(uid)) if !namespace.is_empty() => {
            Ok(Caller { namespace: namespace.to_owned(), pod, uid })
        }
        _ => Err(ReviewError::NotPod),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn review(change: impl FnOnce(&mut Value)) -> TokenReviewStatus {
        let mut status = json!({
            "authenticated": true,
            "audiences": ["cairn.dev"],
            "user": {
                "username": "system:serviceaccount:shop:default",
                "extra": {POD_NAME: ["checkout-1"], POD_UID: ["u1"]},
            },
        });
        change(&mut status);
        serde_json::from_value(status).unwrap()
    }

    fn reviewed(change: impl FnOnce(&mut Value)) -> Result<Caller, ReviewError> {
        caller(&review(change))
    }

    #[test]
    fn the_pod_is_the_one_that_the_review_names() {
        let caller = reviewed(|_| {}).unwrap();
        assert_eq!((&*caller.namespace, &*caller.pod, &*caller.uid), ("shop", "checkout-1", "u1"));
    }

    #[test]
    fn a_token_that_the_api_server_does_not_accept_is_refused_with_its_reason() {
        let error = reviewed(|status| {
            *status = json!({"authenticated": false, "error": "token has expired"});
        });
        let message = error.unwrap_err().to_string();
        assert_eq!(message, "the API server does not accept the token: token has expired");
        assert!(matches!(reviewed(|status| *status = json!({})), Err(ReviewError::Refused(_))));
    }

    #[test]
    fn a_token_for_another_audience_or_for_any_is_refused() {
        for audiences in [json!(["https://kubernetes.default.svc"]), json!([]), Value::Null] {
            let answer = reviewed(|status| status["audiences"] = audiences);
            assert!(matches!(answer, Err(ReviewError::Refused(_))), "{answer:?}");
        }
    }

    #[test]
    fn a_token_that_is_not_bound_to_a_pod_is_refused() {
        for (pointer, value) in [
            ("/user/username", json!("kubernetes-admin")),
            ("/user/username", json!("system:serviceaccount:shop")),
            ("/user/username", json!("system:serviceaccount::default")),
            ("/user/extra", json!({POD_NAME: ["checkout-1"]})),
            ("/user/extra", json!({POD_NAME: ["checkout-1"], POD_UID: []})),
            ("/user/extra", json!({POD_NAME: ["checkout-1"], POD_UID: ["u1", "u2"]})),
            ("/user/extra", Value::Null),
        ] {
            let answer = reviewed(|status| *status.pointer_mut(pointer).unwrap() = value.clone());
            assert!(matches!(answer, Err(ReviewError::NotPod)), "{pointer} {value}: {answer:?}");
        }
    }

    #[test]
    fn the_token_is_in_the_authorization_header() {
        let metadata = |value: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("authorization", value.parse().unwrap());
            metadata
        };
        assert_eq!(bearer(&metadata("Bearer abc")), Some("abc"));
        for bad in ["abc", "Basic abc", "Bearer ", "bearer"] {
            assert_eq!(bearer(&metadata(bad)), None, "{bad}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        assert_eq!(bearer(&metadata(&long)), None);
        assert_eq!(bearer(&MetadataMap::new()), None);
    }
}
