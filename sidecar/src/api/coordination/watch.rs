//! `?watch`: the event `snapshot`, then `change`, as server-sent events. Each has an id; a client that sends the last
//! one as `Last-Event-ID` gets only what has changed since, if the sidecar still knows it.

use std::convert::Infallible;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::response::sse::Event;
use futures::stream;
use serde::Serialize;

use super::Denied;
use crate::api::Api;
use crate::api::sse::respond;
use crate::coordination::follow::{Follow, Step};

/// What a watcher gets in one step.
pub(super) enum View {
    /// Everything.
    Snapshot(String),
    /// What has changed.
    Change(String),
    /// Nothing of it concerns this watcher.
    Nothing,
}

/// Streams what a view makes of each step. It is asked with what the watcher needs: everything, when `step.delta` is
/// `None`.
pub(super) fn stream<F>(api: &Api, headers: &HeaderMap, view: F) -> Result<Response, Denied>
where
    F: FnMut(&Step) -> View + Send + 'static,
{
    let permit = api.watchers.admit();
    let permit = permit.map_err(|why| Denied(StatusCode::SERVICE_UNAVAILABLE, why))?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let follow = Follow::after(api.coordination()?, last);
    // The stream owns the permit, so that it is free again when the client leaves.
    let events =
        stream::unfold((follow, view, permit), |(mut follow, mut view, permit)| async move {
            loop {
                let step = follow.next().await?;
                let (kind, data) = match view(&step) {
                    View::Snapshot(data) => ("snapshot", data),
                    View::Change(data) => ("change", data),
                    View::Nothing => continue,
                };
                let event = Event::default().event(kind).id(step.id).data(data);
                return Some((Ok::<_, Infallible>(event), (follow, view, permit)));
            }
        });
    Ok(respond(events))
}

/// For what is always told whole: a snapshot at first, and later changes of it.
pub(super) fn whole<T: Serialize>(read: impl Fn(&Step) -> T) -> impl FnMut(&Step) -> View {
    let mut last = None;
    move |step| {
        let data = json(&read(step));
        if last.as_ref() == Some(&data) {
            return View::Nothing;
        }
        match last.replace(data.clone()) {
            None => View::Snapshot(data),
            Some(_) => View::Change(data),
        }
    }
}

/// JSON on one line.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
