//! Metrics: made where they are registered, and shown in one form.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text;
use prometheus_client::registry::{Metric, Registry};

/// What the body of a scrape is.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A new metric of a registry. `help` is a sentence without its full stop.
pub fn register<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// All metrics of a registry, in the `OpenMetrics` format.
pub fn render(registry: &Registry) -> String {
    let mut text = String::new();
    match text::encode(&mut text, registry) {
        Ok(()) => text,
        // Writing into a string does not fail.
        Err(std::fmt::Error) => String::new(),
    }
}

/// What was rendered, as the answer to a scrape.
pub fn scrape(rendered: String) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], rendered).into_response()
}
