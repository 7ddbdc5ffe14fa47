//! The handlers of the claims API. They render what [`Applied`] shows and decide nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cairn_core::identity::ClaimJson;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Api;
use crate::applied::Applied;
use crate::snapshot::Snapshot;

/// The longest wait of a probe. No probe has a longer timeout.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The body of `GET /v1/claims`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// In the order of `--pool`.
    pub claims: Vec<ClaimJson>,
}

/// The body of every error response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The message for the client.
    pub error: String,
}

/// The body of a probe that succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeOk {
    /// Always true; the HTTP status says the same.
    pub held: bool,
}

/// `GET /v1/claims`
pub async fn claims(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    if is_watch(query.as_deref()) {
        return api.watchers.stream(api.applied, all);
    }
    match all(&api.applied.borrow()) {
        Ok(claims) => Json(claims).into_response(),
        Err(message) => refuse(StatusCode::SERVICE_UNAVAILABLE, message),
    }
}

/// `GET /v1/claims/<pool>`
pub async fn claim(
    State(api): State<Api>,
    Path(pool): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let applied = Arc::clone(&api.applied.borrow());
    let claims = match all(&applied) {
        Ok(claims) => claims.claims,
        Err(message) => return refuse(StatusCode::SERVICE_UNAVAILABLE, message),
    };
    let Some(claim) = claims.into_iter().find(|claim| claim.pool == pool) else {
        return refuse(StatusCode::NOT_FOUND, not_claimed(&applied.snapshot, &pool));
    };
    if is_watch(query.as_deref()) {
        return api.watchers.stream(api.applied, move |applied| {
            let claims = all(applied)?.claims;
            let claim = claims.into_iter().find(|claim| claim.pool == pool);
            claim.ok_or_else(|| format!("pool '{pool}' is gone"))
        });
    }
    Json(claim).into_response()
}

/// `GET /v1/probe?wait_ms=900`: responds when the app may start, or when the wait is over.
pub async fn probe(State(mut api): State<Api>, RawQuery(query): RawQuery) -> Response {
    let wait = match wait(query.as_deref()) {
        Ok(wait) => wait,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, message),
    };
    let held = api.applied.wait_for(|applied| applied.startup_verdict().is_ok());
    if matches!(timeout(wait, held).await, Ok(Ok(_))) {
        return Json(ProbeOk { held: true }).into_response();
    }
    let verdict = api.applied.borrow().startup_verdict();
    match verdict {
        Ok(()) => Json(ProbeOk { held: true }).into_response(),
        Err(message) => refuse(StatusCode::SERVICE_UNAVAILABLE, message),
    }
}

/// Refuses other paths.
pub async fn no_such_path() -> Response {
    let message = "no such path; ask for /v1/claims or /v1/claims/<pool>, with ?watch to follow, \
                   POST to /v1/ids, or ask for /v1/self, /v1/peers, /v1/leader, /v1/shards, /v1/map or \
                   /v1/owner?key=";
    refuse(StatusCode::NOT_FOUND, message)
}

/// Refuses other methods.
pub async fn only_get() -> Response {
    let message = "claims can only be read here; use GET";
    refuse(StatusCode::METHOD_NOT_ALLOWED, message)
}

/// An error response with a JSON body.
pub(super) fn refuse(status: StatusCode, message: impl Into<String>) -> Response {
    let error = message.into();
    (status, Json(Refusal { error })).into_response()
}

/// The message for a pool from which this pod claims nothing.
pub(super) fn not_claimed(snapshot: &Snapshot, pool: &str) -> String {
    format!("this pod claims nothing from pool '{pool}'; it claims from {}", pool_list(snapshot))
}

/// The pools from which this pod claims, comma separated.
pub(super) fn pool_list(snapshot: &Snapshot) -> String {
    let pools = snapshot.claims.iter().map(|claim| claim.status.identity.pool.as_str());
    pools.collect::<Vec<_>>().join(", ")
}

/// Every claim, or why there are none.
fn all(applied: &Applied) -> Result<Claims, String> {
    match &applied.snapshot.failure {
        Some(failure) => Err(failure.clone()),
        None => Ok(Claims {
            claims: applied
                .snapshot
                .claims
                .iter()
                .map(|claim| claim.status.identity.json())
                .collect(),
        }),
    }
}

/// `?watch`, `?watch=1` and `?watch=true`, but not `?watch=false`.
pub(super) fn is_watch(query: Option<&str>) -> bool {
    value(query, "watch").is_some_and(|value| !matches!(value, "0" | "false"))
}

pub(super) fn wait(query: Option<&str>) -> Result<Duration, String> {
    let Some(text) = value(query, "wait_ms") else {
        return Ok(Duration::ZERO);
    };
    match text.parse() {
        Ok(millis) => Ok(Duration::from_millis(millis).min(LONGEST_WAIT)),
        Err(_) => Err(format!("wait_ms '{text}' is not a number; write it like wait_ms=900")),
    }
}

/// The value of a query parameter; empty if the parameter stands alone.
pub(super) fn value<'a>(query: Option<&'a str>, key: &str) -> Option<&'a str> {
    query?
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find_map(|(name, value)| (name == key).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watch_is_on_with_its_name_alone_or_a_true_value() {
        for yes in ["watch", "watch=1", "a=b&watch=true", "watch="] {
            assert!(is_watch(Some(yes)), "{yes}");
        }
        for no in ["", "watch=0", "watch=false", "watcher", "a=watch"] {
            assert!(!is_watch(Some(no)), "{no}");
        }
        assert!(!is_watch(None));
    }

    #[test]
    fn a_wait_is_at_most_a_minute() {
        assert_eq!(wait(Some("wait_ms=900")), Ok(Duration::from_millis(900)));
        assert_eq!(wait(Some("wait_ms=99999999")), Ok(LONGEST_WAIT));
        assert_eq!(wait(None), Ok(Duration::ZERO));
        assert!(wait(Some("wait_ms=soon")).unwrap_err().contains("wait_ms=900"));
    }
}
