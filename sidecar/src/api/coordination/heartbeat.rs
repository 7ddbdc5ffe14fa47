//! `POST /v1/heartbeat`: the app is alive.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use cairn_core::claim::Fence;
use cairn_core::coordination::member::MemberState;
use cairn_core::coordination::session::Command;
use serde::{Deserialize, Serialize};

use super::Denied;
use crate::api::Api;
use crate::applied::Watch;
use crate::coordination::Coordination;
use crate::coordination::json::valid_until;

/// The body of the request; it may be empty.
#[derive(Debug, Default, Deserialize)]
struct Beat {
    fence: Option<Fence>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beaten {
    /// Our state.
    pub state: MemberState,
    /// The name of the first claim; null without one.
    pub name: Option<String>,
    /// Its node ID, if it is a number.
    pub node_id: Option<u64>,
    /// Its fence.
    pub fence: Option<Fence>,
    /// Until when shards and leadership may be relied on unless renewed; 0 without a session.
    pub valid_until_boottime_ns: u64,
    /// When to call again, at the latest.
    pub next_within_ms: u64,
}

/// `POST /v1/heartbeat`
pub async fn beat(State(api): State<Api>, body: Bytes) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    let beat: Beat = if body.trim_ascii().is_empty() {
        Beat::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            let why = format!(
                "the body is not a heartbeat: {error}; leave it out, or write it like \
                 {{\"fence\":{{\"epoch\":1,\"revision\":2}}}}"
            );
            Denied(StatusCode::BAD_REQUEST, why)
        })?
    };
    Ok(Json(take(coordination, &api.applied, beat.fence).await?).into_response())
}

/// Takes a heartbeat in.
pub async fn take(
    coordination: &Coordination,
    applied: &Watch,
    fence: Option<Fence>,
) -> Result<Beaten, Denied> {
    let applied = std::sync::Arc::clone(&applied.borrow());
    let slot = applied.snapshot.claims.first().and_then(|claim| claim.status.identity.slot.clone());
    if let Some(fence) = fence {
        let held = slot.as_ref().map(|slot| slot.fence);
        if held != Some(fence) {
            let held = held.map_or_else(|| "none".to_owned(), |held| held.to_string());
            let why = format!(
                "the claim's fence is {held}, not {fence}; this app is of a former claim and has to stop"
            );
            return Err(Denied(StatusCode::CONFLICT, why));
        }
    }
    let status = coordination.command(Command::Heartbeat).await?.status;
    let period = coordination.own().config.terms.heartbeat.unwrap_or_default();
    Ok(Beaten {
        state: status.state,
        node_id: slot.as_ref().and_then(|slot| slot.name.parse().ok()),
        fence: slot.as_ref().map(|slot| slot.fence),
        name: slot.map(|slot| slot.name),
        valid_until_boottime_ns: valid_until(&status),
        next_within_ms: u64::try_from(period.as_millis()).unwrap_or(u64::MAX),
    })
}
