//! The API of coordination over HTTP: members, the leader, shards, lookups and the heartbeat
//! (`docs/coordination.md`, What the app sees). [`crate::api::grpc`] says the same over gRPC.
//!
//! Handlers render what [`Shown`](crate::coordination::Shown) shows, and pass commands on. They decide nothing.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post, put};
use cairn_core::coordination::member::Role;
use cairn_core::coordination::session::{Refusal, Status};
use serde_json::Value;

use super::http::refuse;
use super::{Api, DRAIN};
use crate::coordination::{Coordination, OrderError};

pub mod heartbeat;
pub mod leader;
pub mod members;
pub mod own;
pub mod owner;
pub mod shards;
pub mod watch;

/// The routes.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/self", get(own::show))
        .route("/v1/self/state", put(own::put_state))
        .route("/v1/self/endpoints/{name}", put(own::put_endpoint).delete(own::delete_endpoint))
        .route("/v1/self/tags/{key}", put(own::put_tag).delete(own::delete_tag))
        .route(DRAIN, post(own::drain))
        .route("/v1/peers", get(members::peers))
        .route("/v1/leader", get(leader::show))
        .route("/v1/leader/resign", post(leader::resign))
        .route("/v1/leader/value", get(leader::value).put(leader::put_value))
        .route("/v1/shards", get(shards::shards))
        .route("/v1/stopped", post(shards::stopped))
        .route("/v1/map", get(shards::map))
        .route("/v1/owner", get(owner::owner))
        .route("/v1/heartbeat", post(heartbeat::beat))
}

/// Why a request is not done, with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied(pub StatusCode, pub String);

// === impl Denied ===

impl From<Denied> for Response {
    fn from(Denied(status, message): Denied) -> Self {
        refuse(status, message)
    }
}

impl axum::response::IntoResponse for Denied {
    fn into_response(self) -> Response {
        self.into()
    }
}

impl From<OrderError> for Denied {
    fn from(error: OrderError) -> Self {
        let status = match &error {
            OrderError::Away | OrderError::Refused(Refusal::NoSession(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            OrderError::Refused(Refusal::ValueChanged(_)) => StatusCode::PRECONDITION_FAILED,
            OrderError::Refused(Refusal::RecordTooLong(_) | Refusal::ValueTooLong(_)) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            OrderError::Refused(Refusal::NoRole(_) | Refusal::NoHeartbeat) => StatusCode::NOT_FOUND,
            OrderError::Refused(_) => StatusCode::CONFLICT,
        };
        Self(status, error.to_string())
    }
}

// === impl Api ===

impl Api {
    /// Coordination, or that this pod does not coordinate.
    pub(super) fn coordination(&self) -> Result<&Coordination, Denied> {
        self.coordination.as_ref().ok_or_else(|| {
            let message = "this pod coordinates nothing; add the annotation \
                           cairn.dev/coordinate: peers,leader,shards, or start the sidecar with --coordinate";
            Denied(StatusCode::NOT_FOUND, message.to_owned())
        })
    }
}

/// What is shown now, or why there is nothing yet.
pub(super) fn status(coordination: &Coordination) -> Result<Arc<Status>, Denied> {
    let shown = coordination.shown();
    let status = shown.status().map_err(|why| Denied(StatusCode::SERVICE_UNAVAILABLE, why))?;
    Ok(Arc::clone(status))
}

/// Refuses what this pod does not coordinate.
pub(super) fn require(coordination: &Coordination, role: Role) -> Result<(), Denied> {
    if coordination.own().config.terms.roles.contains(&role) {
        return Ok(());
    }
    Err(OrderError::Refused(Refusal::NoRole(role.as_str())).into())
}

/// A word in a body: as text, as a JSON string, or as this field of a JSON object.
pub(super) fn word(body: &[u8], field: &str) -> Result<String, Denied> {
    let bad = |why: &str| Denied(StatusCode::BAD_REQUEST, why.to_owned());
    let text = std::str::from_utf8(body).map_err(|_| bad("the body is not UTF-8"))?.trim();
    let quoted = text.starts_with('"') || text.starts_with('{');
    let value = quoted.then(|| serde_json::from_str::<Value>(text)).transpose();
    let value = value.map_err(|error| bad(&format!("the body is not JSON: {error}")))?;
    match value {
        None => Ok(text.to_owned()),
        Some(Value::String(word)) => Ok(word),
        Some(object) => match object.get(field) {
            Some(Value::String(word)) => Ok(word.clone()),
            _ => Err(bad(&format!(
                "the body has no text '{field}'; write it like {{\"{field}\":\"…\"}}"
            ))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_text_or_json() {
        for body in
            ["participant", " participant\n", "\"participant\"", "{\"state\":\"participant\"}"]
        {
            assert_eq!(word(body.as_bytes(), "state").unwrap(), "participant", "{body}");
        }
        for body in ["{\"state\":1}", "{", "\"a"] {
            assert_eq!(word(body.as_bytes(), "state").unwrap_err().0, StatusCode::BAD_REQUEST);
        }
    }
}
