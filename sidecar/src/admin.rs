//! The admin server, for the kubelet and the scraper: `/livez`, `/readyz`, `/metrics` and
//! `/app/livez`; nothing else. It listens on the pod's address, so it shows no more than that.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cairn_core::contract::port::APP_LIVEZ;

use crate::applied::Watch;
use crate::metrics::Metrics;

/// What the handlers share.
#[derive(Clone, Debug)]
struct Admin {
    applied: Watch,
    metrics: Metrics,
}

/// The admin server's routes.
pub fn router(applied: Watch, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .route(APP_LIVEZ, get(app_livez))
        .fallback(no_such_path)
        .with_state(Admin { applied, metrics })
}

/// The process answers.
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

async fn metrics_text(State(admin): State<Admin>) -> Response {
    let text = admin.metrics.render(&admin.applied.borrow());
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, openmetrics)], text).into_response()
}

async fn no_such_path() -> Response {
    let paths = format!("no such path; ask for /livez, /readyz, /metrics or {APP_LIVEZ}\n");
    (StatusCode::NOT_FOUND, paths).into_response()
}

fn verdict(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => "ok\n".into_response(),
        Err(sentence) => (StatusCode::SERVICE_UNAVAILABLE, format!("{sentence}\n")).into_response(),
    }
}
