//! The admin server for the kubelet and Prometheus: `/livez`, `/readyz`, `/metrics`, and `/app/…` about the app
//! containers. It listens on the pod's address, which every pod can reach, so it shows nothing else.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cairn_core::contract::port::{
    APP_DRAINED, APP_LIVEZ, APP_READYZ, APP_STARTUPZ, LIVEZ, PROBE_TOKEN_HEADER, UNDRAINED,
};
use cairn_kit::metrics::scrape;

use crate::app_probes::AppProbes;
use crate::applied::Watch;
use crate::coordination::{Coordination, drain};
use crate::metrics::Metrics;

/// The state of the handlers.
#[derive(Clone, Debug)]
struct Admin {
    applied: Watch,
    metrics: Metrics,
    probes: AppProbes,
    coordination: Option<Coordination>,
}

/// Returns the routes.
pub fn router(
    applied: Watch,
    metrics: Metrics,
    probes: AppProbes,
    coordination: Option<Coordination>,
) -> Router {
    Router::new()
        .route(LIVEZ, get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .route(APP_LIVEZ, get(app_livez))
        .route(APP_DRAINED, get(app_drained))
        .route(&format!("{APP_LIVEZ}/{{container}}"), get(container_livez))
        .route(&format!("{APP_STARTUPZ}/{{container}}"), get(container_startupz))
        .route(&format!("{APP_READYZ}/{{container}}"), get(container_readyz))
        .fallback(no_such_path)
        .with_state(Admin { applied, metrics, probes, coordination })
}

/// Always succeeds. The kubelet restarts a process that does not respond.
async fn livez() -> &'static str {
    "ok\n"
}

/// Succeeds if every claim is held and published.
async fn readyz(State(admin): State<Admin>) -> Response {
    verdict(admin.applied.borrow().held())
}

/// Succeeds if the app may continue.
async fn app_livez(State(admin): State<Admin>) -> Response {
    verdict(admin.applied.borrow().app_alive())
}

/// Answers once a drain has ended, or soon when none has begun. The preStop of an app waits for it.
async fn app_drained(State(admin): State<Admin>) -> &'static str {
    // An app that has to stop must not be held.
    let may_go_on = admin.applied.borrow().app_alive().is_ok();
    if let Some(coordination) = admin.coordination.as_ref().filter(|_| may_go_on) {
        drain::ended(coordination, UNDRAINED).await;
    }
    "ok\n"
}

/// The startup probe that the kubelet asks first after each start of the container. Succeeds if every `Stop` claim is
/// held.
async fn container_startupz(
    State(admin): State<Admin>,
    Path(container): Path<String>,
    headers: HeaderMap,
) -> Response {
    let may_start = admin.applied.borrow().app_may_start();
    let is_kubelet = admin.is_kubelet(&headers);
    if let Some(coordination) = admin.coordination.as_ref().filter(|_| is_kubelet) {
        coordination.restarts().started(&container);
    }
    if may_start.is_ok() && is_kubelet {
        let started = admin.probes.container_started(&container).await;
        return verdict(started.map_err(|error| error.to_string()));
    }
    verdict(may_start)
}

/// Succeeds if the claims and the container's own probes let it continue.
async fn container_livez(
    State(admin): State<Admin>,
    Path(container): Path<String>,
    headers: HeaderMap,
) -> Response {
    admin.container_runs(&container, &headers);
    let is_new = admin.is_new(&container, &headers);
    let claims = admin.applied.borrow().container_alive(is_new);
    verdict(claims.and_then(|()| admin.probes.alive(&container)))
}

/// Succeeds if the container's own startup probe has passed.
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

    /// Whether the container was started since the app has missed its heartbeat.
    fn is_new(&self, container: &str, headers: &HeaderMap) -> bool {
        let Some(coordination) = &self.coordination else { return false };
        if self.is_kubelet(headers) {
            coordination.restarts().probed(container);
        }
        coordination.restarts().is_new(container)
    }

    /// Whether the kubelet sent the request. Any pod can reach this port, and only the kubelet may report a start.
    fn is_kubelet(&self, headers: &HeaderMap) -> bool {
        self.probes.is_kubelet(headers.get(PROBE_TOKEN_HEADER).map(header::HeaderValue::as_bytes))
    }
}

fn verdict(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}
