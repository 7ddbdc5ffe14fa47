//! Where log lines go: standard error, as text for people or JSON for collectors.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::LogFormat;

/// Logs from here on; a second call changes nothing.
pub fn init(format: LogFormat) {
    // Libraries log what they retry by themselves; only their errors concern an operator.
    let targets =
        Targets::new().with_target("cairn", LevelFilter::INFO).with_default(LevelFilter::ERROR);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(targets);
    let outcome = match format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    if outcome.is_err() {
        tracing::debug!("logging is set up already");
    }
}
