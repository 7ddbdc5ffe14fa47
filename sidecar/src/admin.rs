//! The admin server, for the kubelet and the scraper: `/livez`, `/readyz`, `/metrics` and, about the
//! app containers, `/app/…`; nothing else. It listens on the pod's address, so it shows no more than that.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cairn_core::contract::port::{APP_LIVEZ, APP_READYZ, APP_STARTUPZ, LIVEZ, PROBE_TOKEN_HEADER};
use cairn_kit::metrics::scrape;

use crate::app_probes::AppProbes;
use crate::applied::Watch;
use crate::metrics::Metrics;

/// What the handlers share.
#[derive(Clone, Debug)]
struct Admin {
    applied: Watch,
    metrics: Metrics,
    probes: AppProbes,
}

/// The admin server's routes.
pub fn router(applied: Watch, metrics: Metrics, probes: AppProbes) -> Router {
    Router::new()
        .route(LIVEZ, get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .route(APP_LIVEZ, get(app_livez))
        .route(&format!("{APP_LIVEZ}/{{container}}"), get(container_livez))
        .route(&format!("{APP_STARTUPZ}/{{container}}"), get(container_startupz))
        .route(&format!("{APP_READYZ}/{{container}}"), get(container_readyz))
        .fallback(no_such_path)
        .with_state(Admin { applied, metrics, probes })
}

/// The process answers. The kubelet restarts one that does not.
async fn livez() -> &'static str {
    "ok\n"
}

/// Every claim is held.
async fn readyz(State(admin): State<Admin>) -> Response {
    verdict(admin.applied.borrow().held())
}

/// The app may go on.
async fn app_livez(State(admin): State<Admin>) -> Response {
    verdict(admin.applied.borrow().app_alive())
}

/// The kubelet has just started the container: it may run if the claims are held.
async fn container_startupz(
    State(admin): State<Admin>,
    Path(container): Path<String>,
    headers: HeaderMap,
) -> Response {
    let may_start = admin.applied.borrow().app_may_start();
    if may_start.is_ok() && admin.is_kubelet(&headers) {
        let started = admin.probes.container_started(&container).await;
        return verdict(started.map_err(|error| error.to_string()));
    }
    verdict(may_start)
}

/// The container may go on, as far as claims and its own probes say.
async fn container_livez(
    State(admin): State<Admin>,
    Path(container): Path<String>,
    headers: HeaderMap,
) -> Response {
    admin.container_runs(&container, &headers);
    let claims = admin.applied.borrow().app_alive();
    verdict(claims.and_then(|()| admin.probes.alive(&container)))
}

/// The container's own startup probe has passed.
async fn container_readyz(
    State(admin): State<Admin>,
    Path(container): Path<String>,
    headers: HeaderMap,
) -> Response {
    admin.container_runs(&container, &headers);
    verdict(admin.probes.ready(&container))
}

async fn metrics_text(State(admin): State<Admin>) -> Response {
    scrape(admin.metrics.render(&admin.applied.borrow()))
}

async fn no_such_path() -> Response {
    let paths = format!("no such path; ask for /livez, /readyz, /metrics or {APP_LIVEZ}\n");
    (StatusCode::NOT_FOUND, paths).into_response()
}

// === impl Admin ===

impl Admin {
    fn container_runs(&self, container: &str, headers: &HeaderMap) {
        if self.is_kubelet(headers) {
            self.probes.container_runs(container);
        }
    }

    /// Any pod can reach this port, but only the kubelet may say that a container was started.
    fn is_kubelet(&self, headers: &HeaderMap) -> bool {
        self.probes.is_kubelet(headers.get(PROBE_TOKEN_HEADER).map(header::HeaderValue::as_bytes))
    }
}

fn verdict(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => "ok\n".into_response(),
        Err(sentence) => (StatusCode::SERVICE_UNAVAILABLE, format!("{sentence}\n")).into_response(),
    }
}
