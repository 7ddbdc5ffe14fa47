//! `/v1/self`: the own record, and what changes it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use cairn_core::coordination::member::{Member, MemberState};
use cairn_core::coordination::session::{Command, Status};
use cairn_core::coordination::text::{self, TextError};
use tokio::time::{Instant, timeout_at};

use super::{Denied, status, word};
use crate::api::Api;
use crate::api::http::wait;
use crate::coordination::json::PeerJson;
use crate::coordination::{Coordination, drain};

/// `GET /v1/self`
pub async fn show(State(api): State<Api>) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    Ok(Json(record(coordination, status(coordination)?.as_ref())?).into_response())
}

/// `PUT /v1/self/state`
pub async fn put_state(State(api): State<Api>, body: Bytes) -> Result<Response, Denied> {
    let text = word(&body, "state")?;
    let state = MemberState::ALL.into_iter().find(|state| state.as_str() == text);
    let state = state.ok_or_else(|| {
        bad(format!("'{text}' is not a state; write viewer, participant or draining"))
    })?;
    changed(&api, Command::SetState(state)).await
}

/// `PUT /v1/self/endpoints/<name>`: a port of this pod, or its address with a port.
pub async fn put_endpoint(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    let name = checked(text::endpoint_name(&name))?;
    let value = checked(text::endpoint(&word(&body, "value")?, coordination.own().config.own))?;
    changed(&api, Command::SetEndpoint(name, Some(value))).await
}

/// `DELETE /v1/self/endpoints/<name>`
pub async fn delete_endpoint(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, Denied> {
    changed(&api, Command::SetEndpoint(checked(text::endpoint_name(&name))?, None)).await
}

/// `PUT /v1/self/tags/<key>`
pub async fn put_tag(
    State(api): State<Api>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Response, Denied> {
    let value = checked(text::tag_value(&word(&body, "value")?))?;
    changed(&api, Command::SetTag(checked(text::tag_key(&key))?, Some(value))).await
}

/// `DELETE /v1/self/tags/<key>`
pub async fn delete_tag(
    State(api): State<Api>,
    Path(key): Path<String>,
) -> Result<Response, Denied> {
    changed(&api, Command::SetTag(checked(text::tag_key(&key))?, None)).await
}

/// `POST /v1/self/drain?wait_ms=1000`: the pod is being deleted. Answers when everything is handed over, or after the
/// wait, with what waits.
pub async fn drain(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    let end = Instant::now() + wait(query.as_deref()).map_err(bad)?;
    // One that has left already hears no orders.
    if !coordination.shown().told.ended {
        coordination.drain().await?;
    }
    let validity = coordination.own().config.terms.validity;
    let mut shown = coordination.watch();
    let done = shown.wait_for(|shown| drain::progress(shown, validity).done);
    let _ = timeout_at(end, done).await.is_ok_and(|done| done.is_ok());
    Ok(Json(drain::progress(&coordination.shown(), validity)).into_response())
}

/// Gives commands that change the record, in their order. Answers with the record as it will be.
pub async fn change(
    coordination: &Coordination,
    commands: Vec<Command>,
) -> Result<PeerJson, Denied> {
    let mut written = None;
    for command in commands {
        written = Some(coordination.command(command).await?.record);
    }
    let status = status(coordination)?;
    let mut member = member(coordination, &status)?.clone();
    // The group may not have seen the changes before this one yet.
    if let Some(record) = written {
        member.record = record;
    }
    let own = coordination.own();
    Ok(PeerJson::new(&own.uid, &member, own))
}

async fn changed(api: &Api, command: Command) -> Result<Response, Denied> {
    Ok(Json(change(api.coordination()?, vec![command]).await?).into_response())
}

/// The own record as the group sees it.
pub(super) fn record(coordination: &Coordination, status: &Status) -> Result<PeerJson, Denied> {
    let own = coordination.own();
    Ok(PeerJson::new(&own.uid, member(coordination, status)?, own))
}

fn member<'a>(coordination: &Coordination, status: &'a Status) -> Result<&'a Member, Denied> {
    let uid = &coordination.own().uid;
    let member = status.picture.members.get(uid).map(AsRef::as_ref);
    let member = member.filter(|_| status.session.is_some());
    member.ok_or_else(|| {
        let why = status.reason.as_deref().unwrap_or("joining");
        Denied(StatusCode::SERVICE_UNAVAILABLE, format!("there is no session now: {why}"))
    })
}

fn checked<T>(read: Result<T, TextError>) -> Result<T, Denied> {
    read.map_err(|error| bad(error.to_string()))
}

fn bad(why: String) -> Denied {
    Denied(StatusCode::BAD_REQUEST, why)
}
