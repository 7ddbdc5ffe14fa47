//! `GET /v1/shards`, `POST /v1/stopped` and `GET /v1/map`: the own shards, and those of all.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use cairn_core::coordination::member::{MemberState, Role};
use cairn_core::coordination::session::{Command, Status, StopId};
use serde::Deserialize;
use tokio::task::AbortHandle;

use super::watch::{View, json, stream, whole};
use super::{Denied, require, status};
use crate::api::Api;
use crate::api::http::is_watch;
use crate::coordination::follow::Step;
use crate::coordination::journal::Delta;
use crate::coordination::json::{MapChangeJson, MapJson, OwnerOf, ShardsJson, epoch};
use crate::coordination::{Coordination, Shown};

/// The body of `POST /v1/stopped`.
#[derive(Debug, Deserialize)]
struct Stops {
    stops: Vec<String>,
}

/// An app that watches its shards asks to participate, until this is dropped.
#[derive(Debug)]
pub struct Participation(Option<AbortHandle>);

/// `GET /v1/shards`
pub async fn shards(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    require(coordination, Role::Shards)?;
    let own = coordination.own().clone();
    if !is_watch(query.as_deref()) {
        return Ok(Json(ShardsJson::new(status(coordination)?.as_ref(), &own)).into_response());
    }
    let participation = participate(coordination.clone());
    let view = move |step: &Step| {
        // The stream owns it: it ends when the client leaves.
        let _while_watched = &participation;
        ShardsJson::new(&step.status, &own)
    };
    stream(&api, &headers, whole(view))
}

/// `POST /v1/stopped`
pub async fn stopped(State(api): State<Api>, body: Bytes) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    let stops: Stops = serde_json::from_slice(&body).map_err(|error| {
        let why = format!(
            "the body is not a list of stop ids: {error}; write it like {{\"stops\":[\"…\"]}}"
        );
        Denied(StatusCode::BAD_REQUEST, why)
    })?;
    coordination.command(Command::Stopped(stop_ids(&stops.stops)?)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/map`
pub async fn map(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    require(coordination, Role::Shards)?;
    if !is_watch(query.as_deref()) {
        return Ok(Json(MapJson::new(status(coordination)?.as_ref())).into_response());
    }
    stream(&api, &headers, |step: &Step| match &step.delta {
        None => View::Snapshot(json(&MapJson::new(&step.status))),
        Some(delta) if delta.shards.is_empty() => View::Nothing,
        Some(delta) => View::Change(json(&map_change(&step.status, delta))),
    })
}

/// What has changed of the map.
pub fn map_change(status: &Status, delta: &Delta) -> MapChangeJson {
    let mut changed = BTreeMap::new();
    let mut freed = Vec::new();
    for shard in &delta.shards {
        match status.picture.shards.get(shard) {
            Some(granted) => drop(changed.insert(*shard, OwnerOf::from(granted))),
            None => freed.push(*shard),
        }
    }
    MapChangeJson { epoch: epoch(status), revision: status.picture.revision, changed, freed }
}

/// Parses stop ids.
pub fn stop_ids(stops: &[String]) -> Result<Vec<StopId>, Denied> {
    let parse = |text: &String| {
        text.parse().map_err(|()| {
            let why =
                format!("'{text}' is not a stop id; send the 'stop' of an entry of 'stopping'");
            Denied(StatusCode::BAD_REQUEST, why)
        })
    };
    stops.iter().map(parse).collect()
}

/// With `participate: ask`, an app that watches its shards wants some, in each session that there is while it watches.
/// In the background: before there is a session, that has to wait, and a watch has not.
pub fn participate(coordination: Coordination) -> Participation {
    if coordination.own().config.terms.participate {
        return Participation(None);
    }
    let task = tokio::spawn(async move {
        let mut shown = coordination.watch();
        loop {
            if shown.wait_for(|shown| is_viewer(shown)).await.is_err() {
                return;
            }
            // While the app has promised a heartbeat and has not called, it stays a viewer.
            let _ = coordination.command(Command::SetState(MemberState::Participant)).await;
            if shown.changed().await.is_err() {
                return;
            }
        }
    });
    Participation(Some(task.abort_handle()))
}

fn is_viewer(shown: &Shown) -> bool {
    let status = shown.told.status.as_ref().filter(|_| !shown.told.ended);
    status.is_some_and(|status| status.session.is_some() && status.state == MemberState::Viewer)
}

// === impl Participation ===

impl Drop for Participation {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
