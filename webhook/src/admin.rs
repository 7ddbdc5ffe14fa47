//! The admin server, for the kubelet and the scraper: `/livez`, `/readyz` and `/metrics`.
//!
//! On a port of its own: health must not depend on a certificate, and a slow scrape must not delay
//! an admission.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cairn_kit::metrics::{render, scrape};
use prometheus_client::registry::Registry;

use crate::ready::Ready;

#[derive(Clone, Debug)]
struct Admin {
    ready: Ready,
    registry: Arc<Registry>,
}

/// The admin server's routes.
pub fn router(ready: Ready, registry: Registry) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Admin { ready, registry: Arc::new(registry) })
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let pending = admin.ready.pending();
    if pending.is_empty() {
        return "ok\n".into_response();
    }
    let body = format!("waiting for: {}\n", pending.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    scrape(render(&admin.registry))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn readiness_names_what_is_still_pending() {
        let ready = Ready::default();
        let block = ready.register("pools");
        let ask = async || {
            let request = Request::get("/readyz").body(Body::empty()).unwrap();
            let routes = router(ready.clone(), Registry::default());
            let response = routes.oneshot(request).await.unwrap();
            let status = response.status();
            let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        let waiting = (StatusCode::SERVICE_UNAVAILABLE, "waiting for: pools\n".to_owned());
        assert_eq!(ask().await, waiting);
        drop(block);
        assert_eq!(ask().await, (StatusCode::OK, "ok\n".to_owned()));
    }
}
