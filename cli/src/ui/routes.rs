//! What the page's server answers: the files, the feed of changes, and the time that a lease has left. It changes
//! nothing.
//!
//! Two things keep others out. [`local::decide`] refuses other machines, and pages of other sites in the browser of the
//! user. Other users of this machine reach the port as well, and may not read etcd: so all paths are below a random
//! one. It is a path and not a cookie, because browsers send cookies to every port of a host.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use cairn_kit::clock;
use cairn_kit::serve::local::{self, Forbidden};
use cairn_kit::serve::{self, Peer};
use cairn_store::Kv as _;
use futures::stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::feed::{Connected, Views};
use super::page::{FILES, File};
use super::view::{Changes, View};

/// Browsers that may watch at a time. A browser has at most six connections to a host.
const MAX_WATCHERS: usize = 16;
/// Below the minute after which proxies close a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Browsers send it when they connect again.
const LAST_EVENT_ID: &str = "last-event-id";
/// Nothing from other hosts, no inline script, and no page that shows this one in a frame.
const CONTENT_POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'";

#[derive(Clone, Debug)]
struct Page {
    views: Views,
    connected: Connected,
    watchers: Arc<Semaphore>,
}

/// One message of the feed.
#[derive(Serialize)]
struct Message<'v> {
    /// The server's clock, for relative times.
    now: i64,
    #[serde(flatten)]
    changes: Changes<'v>,
}

/// What a browser has.
#[derive(Debug)]
struct Received {
    /// The number of its view.
    number: Option<u64>,
    /// Whether this connection has brought something.
    is_told: bool,
}

/// The routes, all below a secret path.
pub fn router(secret: &str, views: Views, connected: Connected) -> Router {
    let page = Page { views, connected, watchers: Arc::new(Semaphore::new(MAX_WATCHERS)) };
    let mut routes = Router::new();
    for file in FILES {
        routes = routes.route(&format!("/{secret}/{}", file.path), get(async || answer(file)));
    }
    routes
        .route(&format!("/{secret}/events"), get(events))
        .route(&format!("/{secret}/lease/{{id}}"), get(lease))
        .fallback(no_such_page)
        .layer(from_fn(guard))
        .with_state(page)
}

async fn guard(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let mut response = match local::decide(peer, request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => (StatusCode::FORBIDDEN, refusal(reason)).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refusal(reason: Forbidden) -> &'static str {
    match reason {
        Forbidden::Peer => {
            "this page is only for the machine on which cairn ui runs; open it there\n"
        }
        Forbidden::Host => {
            "this page has the host 127.0.0.1 or localhost; open the URL that cairn ui prints\n"
        }
        Forbidden::CrossSite => {
            "this page does not answer other sites; open the URL that cairn ui prints\n"
        }
    }
}

async fn no_such_page() -> (StatusCode, &'static str) {
    let message =
        "there is nothing here; open the URL that cairn ui prints, which is new at each start\n";
    (StatusCode::NOT_FOUND, message)
}

fn answer(file: &File) -> Response {
    ([(header::CONTENT_TYPE, file.content_type)], file.content).into_response()
}

/// The whole view, then changes, as server-sent events. A browser that comes back says what it had last, and gets what
/// it has missed; or the whole view again, if that is not known any more. Numbers of another start never come here,
/// because its URL was another.
async fn events(State(page): State<Page>, headers: HeaderMap) -> Response {
    let Ok(permit) = Arc::clone(&page.watchers).try_acquire_owned() else {
        let message = "too many windows show this page; close one of them\n";
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    };
    let mut views = page.views;
    views.mark_changed();
    let received = Received { number: last_event(&headers), is_told: false };
    // The permit is held for as long as the stream lives.
    let events =
        stream::unfold((views, received, permit), async |(mut views, mut received, permit)| {
            loop {
                views.changed().await.ok()?;
                let Some(newest) = views.borrow_and_update().clone() else { continue };
                if let Some(event) = received.advance(&newest) {
                    return Some((Ok::<_, Infallible>(event), (views, received, permit)));
                }
            }
        });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    (Extension(serve::Stream), events).into_response()
}

/// The number of the last event that a browser has received.
fn last_event(headers: &HeaderMap) -> Option<u64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

// === impl Received ===

impl Received {
    /// What leads to the newest view. `None` when nothing has changed since this connection was told something: the
    /// first message also says that the connection is there.
    fn advance(&mut self, newest: &View) -> Option<Event> {
        let since = self.number.filter(|number| newest.remembers(*number));
        let changes = newest.changes(since);
        if self.is_told && changes.is_empty() {
            return None;
        }
        *self = Self { number: Some(newest.number()), is_told: true };
        let name = if since.is_none() { "all" } else { "changes" };
        let message = Message { now: clock::now().wall.0, changes };
        let data = serde_json::to_string(&message).unwrap_or_default();
        Some(Event::default().event(name).id(newest.number().to_string()).data(data))
    }
}

/// How many seconds a lease has left: it moves with every renewal, so it is read only for somebody who looks at it.
async fn lease(State(page): State<Page>, Path(id): Path<String>) -> Response {
    let Ok(lease) = i64::from_str_radix(&id, 16) else {
        return (StatusCode::BAD_REQUEST, "a lease is a hexadecimal number\n").into_response();
    };
    let Some(reach) = page.connected.borrow().clone() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "there is no connection to etcd\n")
            .into_response();
    };
    match reach.etcd().time_to_live(lease).await {
        Ok(left) => Json(json!({"seconds": left.map(|left| left.as_secs())})).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.report() + "\n").into_response(),
    }
}
