//! `GET /v1/leader`, `POST /v1/leader/resign`, and the leader's value.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use cairn_core::coordination::member::Role;
use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::session::{Command, Status, Stopping};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::watch::{stream, whole};
use super::{Denied, require, status};
use crate::api::Api;
use crate::api::http::is_watch;
use crate::coordination::json::{LeaderJson, epoch};
use crate::coordination::{Coordination, OrderError, Shown};

/// Two members of etcd that do not answer, and a third one that does.
const LONGEST_PUT: Duration = Duration::from_secs(10);
/// The resignation is in etcd, and everybody's plan names another leader, long before.
const LONGEST_RESIGNATION: Duration = Duration::from_secs(5);
/// The epoch of a leader's value, beside its `ETag`.
const EPOCH: &str = "cairn-epoch";

/// The answer to a resignation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resigned {
    /// The stop id; null while nobody else can lead: it comes once somebody can.
    pub stop: Option<String>,
    /// The last deadline told; 0 without a stop id.
    pub valid_until_boottime_ns: u64,
}

/// The leader's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The epoch.
    pub epoch: i64,
    /// Mod revision of its key.
    pub revision: i64,
}

/// `GET /v1/leader`
pub async fn show(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    let own = coordination.own().clone();
    if !is_watch(query.as_deref()) {
        return Ok(Json(LeaderJson::new(status(coordination)?.as_ref(), &own)).into_response());
    }
    stream(&api, &headers, whole(move |step| LeaderJson::new(&step.status, &own)))
}

/// `POST /v1/leader/resign`
pub async fn resign(State(api): State<Api>) -> Result<Response, Denied> {
    let resigned = give_away(api.coordination()?).await?;
    let status = if resigned.stop.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(resigned)).into_response())
}

/// Gives the leadership away. Answers once the app is told to stop, or when nobody else can lead for a while.
pub async fn give_away(coordination: &Coordination) -> Result<Resigned, Denied> {
    coordination.command(Command::Resign).await?;
    let mut shown = coordination.watch();
    let told = |shown: &Arc<Shown>| {
        let status = shown.told.status.as_ref();
        status.is_none_or(|status| of_leader(status).is_some() || status.leader.own.is_none())
    };
    let _ = timeout(LONGEST_RESIGNATION, shown.wait_for(told)).await.is_ok();
    let shown = coordination.shown();
    let stopping = shown.told.status.as_deref().and_then(of_leader);
    Ok(stopping.map(Resigned::from).unwrap_or_default())
}

/// `GET /v1/leader/value`
pub async fn value(State(api): State<Api>) -> Result<Response, Denied> {
    let value = read(api.coordination()?)?;
    let none = || Denied(StatusCode::NOT_FOUND, "the leader has put no value yet".to_owned());
    Ok(value.ok_or_else(none)?.into_response())
}

/// `PUT /v1/leader/value`, with `If-Match: "<revision>"` or `If-None-Match: *`.
pub async fn put_value(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    let expected = expected(&headers)?;
    let revision = put(coordination, body.to_vec(), expected).await?;
    let epoch = epoch(status(coordination)?.as_ref());
    Ok(Value { bytes: Vec::new(), epoch, revision }.into_response())
}

/// The leader's value as it is known here.
pub fn read(coordination: &Coordination) -> Result<Option<Value>, Denied> {
    let status = status(coordination)?;
    let value = status.picture.leader_value.as_ref();
    Ok(value.map(|value| Value {
        bytes: value.value.clone(),
        epoch: epoch(&status),
        revision: value.revision,
    }))
}

/// Puts the value. Answers once it is in etcd, with its revision.
pub async fn put(
    coordination: &Coordination,
    value: Vec<u8>,
    expected: Option<i64>,
) -> Result<i64, Denied> {
    require(coordination, Role::Leader)?;
    let puts = coordination.command(Command::PutLeaderValue { value, expected }).await?.puts_before;
    let mut shown = coordination.watch();
    let changed = shown.wait_for(|shown| {
        shown.told.status.as_ref().is_some_and(|status| status.leader.puts > puts)
    });
    let late = || {
        let why = "etcd has not answered yet, so the value may be put or not; read it again";
        Denied(StatusCode::GATEWAY_TIMEOUT, why.to_owned())
    };
    let shown = timeout(LONGEST_PUT, changed).await.map_err(|_| late())?;
    let shown = shown.map(|shown| Arc::clone(&shown)).map_err(|_| OrderError::Away)?;
    let status = shown.told.status.as_deref();
    status.and_then(|status| ended(status, puts)).unwrap_or_else(|| Err(late()))
}

/// What came of the last put, if one has ended after so many.
fn ended(status: &Status, puts: u64) -> Option<Result<i64, Denied>> {
    let last = status.leader.last_put.clone().filter(|_| status.leader.puts > puts)?;
    Some(last.map_err(|refusal| OrderError::Refused(refusal).into()))
}

fn of_leader(status: &Status) -> Option<&Stopping> {
    status.stopping.iter().find(|stopping| stopping.of == Ownable::Leader)
}

/// The revision that the value must have: `If-Match: "12"`, or 0 for `If-None-Match: *`.
fn expected(headers: &HeaderMap) -> Result<Option<i64>, Denied> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or(""));
    if text(header::IF_NONE_MATCH).is_some_and(|value| value.trim() == "*") {
        return Ok(Some(0));
    }
    let Some(value) = text(header::IF_MATCH) else { return Ok(None) };
    value.trim().trim_matches('"').parse().map(Some).map_err(|_| {
        let why = "If-Match is not the ETag of the value; write it like If-Match: \"815\"";
        Denied(StatusCode::BAD_REQUEST, why.to_owned())
    })
}

// === impl Resigned ===

impl From<&Stopping> for Resigned {
    fn from(stopping: &Stopping) -> Self {
        Self {
            stop: Some(stopping.stop.to_string()),
            valid_until_boottime_ns: stopping.valid_until.as_nanos(),
        }
    }
}

// === impl Value ===

impl axum::response::IntoResponse for Value {
    fn into_response(self) -> Response {
        let text =
            |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        let headers = [
            (header::ETAG, text(format!("\"{}\"", self.revision))),
            (HeaderName::from_static(EPOCH), text(self.epoch.to_string())),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        ];
        (headers, self.bytes).into_response()
    }
}
