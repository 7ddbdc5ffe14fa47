//! Logging: lines on standard error, as text for people or as JSON for collectors.
//!
//! Fields carry values, so that a collector can filter by them; spans carry what all lines of a task have in common.
//! Not for the last words of a program that does not start: those are [`crate::exit::complain`]'s.

use std::io;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use self::filter::{LogFilter, LogFilterError};

mod filter;

/// How to log.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct LogArgs {
    /// How to log
    #[arg(long, env = "CAIRN_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// How much to log: error, warn, info, debug, trace or off, or levels of parts, like warn,cairn=debug
    #[arg(long, env = "CAIRN_LOG", value_name = "LEVEL", default_value = "info")]
    pub log_level: LogFilter,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Logs from here on; a second call changes nothing.
pub fn init(args: &LogArgs) {
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(args.log_level.targets());
    let outcome = match args.log_format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    if outcome.is_err() {
        tracing::debug!("logging is set up already");
    }
}
