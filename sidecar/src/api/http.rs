//! The handlers: thin, they render what was applied.

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

/// The longest that a probe may wait; nobody's timeout is longer.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The body of `GET /v1/claims`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// In the order of `--pool`.
    pub claims: Vec<ClaimJson>,
}

/// The body of every answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// One sentence.
    pub error: String,
}

/// The body of a probe that succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Always true: the status tells the same.
    pub held: bool,
}

/// `GET /v1/claims`
pub async fn claims(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    if is_watch(query.as_deref()) {
        return api.watchers.stream(api.applied, all);
    }
    match all(&api.applied.borrow()) {
        Ok(claims) => Json(claims).into_response(),
        Err(refusal) => refuse(StatusCode::SERVICE_UNAVAILABLE, refusal),
    }
}

/// `GET /v1/claims/<pool>`
pub async fn claim(
    State(api): State<Api>,
    Path(pool): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let claims = match all(&api.applied.borrow()) {
        Ok(claims) => claims.claims,
        Err(refusal) => return refuse(StatusCode::SERVICE_UNAVAILABLE, refusal),
    };
    let pools: Vec<_> = claims.iter().map(|claim| claim.pool.clone()).collect();
    let Some(claim) = claims.into_iter().find(|claim| claim.pool == pool) else {
        let sentence = format!(
            "this pod claims nothing from pool '{pool}'; it claims from {}",
            pools.join(", ")
        );
        return refuse(StatusCode::NOT_FOUND, sentence);
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

/// `GET /v1/probe?wait_ms=900`: answers when the app may start, or when the wait is over.
pub async fn probe(State(mut api): State<Api>, RawQuery(query): RawQuery) -> Response {
    let wait = match wait(query.as_deref()) {
        Ok(wait) => wait,
        Err(sentence) => return refuse(StatusCode::BAD_REQUEST, sentence),
    };
    let held = api.applied.wait_for(|applied| applied.startup_verdict().is_ok());
    if matches!(timeout(wait, held).await, Ok(Ok(_))) {
        return Json(Held { held: true }).into_response();
    }
    let verdict = api.applied.borrow().startup_verdict();
    match verdict {
        Ok(()) => Json(Held { held: true }).into_response(),
        Err(sentence) => refuse(StatusCode::SERVICE_UNAVAILABLE, sentence),
    }
}

/// Any other path.
pub async fn no_such_path() -> Response {
    let sentence = "no such path; ask for /v1/claims or /v1/claims/<pool>, with ?watch to follow, or POST to /v1/ids";
    refuse(StatusCode::NOT_FOUND, sentence)
}

/// Any other method.
pub async fn only_get() -> Response {
    let sentence = "claims can only be read here; use GET";
    refuse(StatusCode::METHOD_NOT_ALLOWED, sentence)
}

/// A refusal as JSON.
pub(super) fn refuse(status: StatusCode, sentence: impl Into<String>) -> Response {
    let error = sentence.into();
    (status, Json(Refusal { error })).into_response()
}

/// Every claim, or why there are none.
fn all(applied: &Applied) -> Result<Claims, String> {
    match &applied.snapshot.failure {
        Some(failure) => Err(failure.clone()),
        None => Ok(Claims {
            claims: applied.snapshot.claims.iter().map(|claim| claim.identity.json()).collect(),
        }),
    }
}

/// `?watch`, `?watch=1` and `?watch=true`, but not `?watch=false`.
fn is_watch(query: Option<&str>) -> bool {
    value(query, "watch").is_some_and(|value| !matches!(value, "0" | "false"))
}

fn wait(query: Option<&str>) -> Result<Duration, String> {
    let Some(text) = value(query, "wait_ms") else {
        return Ok(Duration::ZERO);
    };
    match text.parse() {
        Ok(millis) => Ok(Duration::from_millis(millis).min(LONGEST_WAIT)),
        Err(_) => Err(format!("wait_ms '{text}' is not a number; write it like wait_ms=900")),
    }
}

/// The value of a parameter, empty when it has none.
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
    fn watch_is_asked_for_by_its_name_alone_or_by_a_true_value() {
        for yes in ["watch", "watch=1", "a=b&watch=true", "watch="] {
            assert!(is_watch(Some(yes)), "{yes}");
        }
        for no in ["", "watch=0", "watch=false", "watcher", "a=watch"] {
            assert!(!is_watch(Some(no)), "{no}");
        }
        assert!(!is_watch(None));
    }

    #[test]
    fn a_wait_is_bounded() {
        assert_eq!(wait(Some("wait_ms=900")), Ok(Duration::from_millis(900)));
        assert_eq!(wait(Some("wait_ms=99999999")), Ok(LONGEST_WAIT));
        assert_eq!(wait(None), Ok(Duration::ZERO));
        assert!(wait(Some("wait_ms=soon")).unwrap_err().contains("wait_ms=900"));
    }
}
