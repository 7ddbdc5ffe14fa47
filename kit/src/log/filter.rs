//! How much is logged.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Targets of our own crates begin with it.
const OWN: &str = "cairn";

/// A level for our own lines, or levels for parts of the program.
///
/// Of libraries, a level alone shows errors only: they retry by themselves, and at `debug` they log every packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    text: String,
    targets: Comparable,
}

/// Not a filter; the message says what to write instead.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "'{0}' is not a log level; write error, warn, info, debug, trace or off, \
     or levels of parts, like warn,cairn=debug"
)]
pub struct LogFilterError(String);

/// Two sets of directives are equal or not; there is no third.
#[derive(Clone, Debug, PartialEq)]
struct Comparable(Targets);

impl Eq for Comparable {}

// === impl LogFilter ===

impl LogFilter {
    /// What is shown.
    pub fn targets(&self) -> Targets {
        self.targets.0.clone()
    }

    /// Whether it is what is used when nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn of_level(level: LevelFilter) -> Self {
        let libraries = level.min(LevelFilter::ERROR);
        let targets = Targets::new().with_target(OWN, level).with_default(libraries);
        Self { text: level.to_string(), targets: Comparable(targets) }
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self::of_level(LevelFilter::INFO)
    }
}

/// As [`LogFilter::from_str`] reads it.
impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    /// An empty text is the default.
    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        if let Some(level) = level(text) {
            return Ok(Self::of_level(level));
        }
        let refused = || LogFilterError(text.to_owned());
        // The parser takes a word that is no level for a target of which everything is shown.
        let known = |part: &str| part.contains('=') || level(part).is_some();
        if !text.split(',').all(known) {
            return Err(refused());
        }
        let targets = text.parse().map_err(|_| refused())?;
        Ok(Self { text: text.to_owned(), targets: Comparable(targets) })
    }
}

/// A level by its name. Its own parser takes numbers and the empty text, too.
fn level(text: &str) -> Option<LevelFilter> {
    text.parse().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn shows(filter: &str, target: &str, level: Level) -> bool {
        filter.parse::<LogFilter>().unwrap().targets().would_enable(target, &level)
    }

    #[test]
    fn a_level_is_that_of_our_own_lines_and_of_libraries_only_errors_show() {
        for (filter, own, foreign) in [
            ("info", Some(Level::INFO), Some(Level::ERROR)),
            ("DEBUG", Some(Level::DEBUG), Some(Level::ERROR)),
            ("", Some(Level::INFO), Some(Level::ERROR)),
            ("error", Some(Level::ERROR), Some(Level::ERROR)),
            ("off", None, None),
        ] {
            for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
                let expected = own.is_some_and(|own| level <= own);
                assert_eq!(shows(filter, "cairn_store::etcd", level), expected, "{filter} {level}");
                let expected = foreign.is_some_and(|foreign| level <= foreign);
                assert_eq!(shows(filter, "tonic::transport", level), expected, "{filter} {level}");
            }
        }
    }

    #[test]
    fn parts_have_levels_of_their_own() {
        let filter = "warn,cairn_store=trace";
        assert!(shows(filter, "cairn_store::etcd", Level::TRACE));
        assert!(shows(filter, "tonic", Level::WARN));
        assert!(!shows(filter, "cairn_sidecar", Level::INFO));
    }

    #[test]
    fn what_is_no_filter_is_refused_with_what_to_write() {
        for bad in ["debg", "2", "cairn", "cairn=debg", "warn,cairn", "warn,", "a=b=c"] {
            let message = bad.parse::<LogFilter>().unwrap_err().to_string();
            assert!(message.contains(&format!("'{bad}' is not a log level; write")), "{message}");
        }
    }

    #[test]
    fn a_filter_is_read_as_it_is_written() {
        for text in ["info", "warn,cairn=debug", "off"] {
            let filter: LogFilter = text.parse().unwrap();
            assert_eq!(filter.to_string(), text);
            assert_eq!(filter.is_default(), text == "info");
        }
    }
}
