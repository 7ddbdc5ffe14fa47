//! Logs failed requests to etcd in few lines.
//!
//! A thousand sidecars that retry every second must not write a thousand lines a second. The first failure is a
//! warning, and so is the first failure of each other kind. Then there is at most one warning a minute. One line
//! says that requests succeed again. Everything else is logged at debug level.
//!
//! Pure: time comes in as a value.

use std::time::Duration;

use cairn_core::duration;
use cairn_core::time::BootInstant;
use cairn_store::{Class, Error};

/// The time between two warnings about the same outage.
const SUMMARY_PERIOD: Duration = Duration::from_secs(60);

/// An outage ends with a success after this time without a failure: claiming and renewing run side by side, and one
/// of them may fail while the other succeeds.
const QUIET: Duration = Duration::from_secs(9);

/// Decides what to log about the requests of one process.
#[derive(Debug, Default)]
pub(crate) struct FailureLog {
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since: BootInstant,
    last_failure: BootInstant,
    last_warning: BootInstant,
    /// The kinds that a warning has shown.
    kinds: Vec<Kind>,
    failures: u32,
}

/// The class of an error, and whether another etcd cluster answered.
type Kind = (Class, bool);

/// A log line with its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Warn(String),
    Info(String),
    Debug(String),
}

// === impl FailureLog ===

impl FailureLog {
    /// Records a failed request.
    pub(crate) fn failed(&mut self, now: BootInstant, error: &Error) -> Line {
        let kind = (error.class(), error.other_cluster().is_some());
        let message = error.report();
        let Some(outage) = &mut self.outage else {
            self.outage = Some(Outage {
                since: now,
                last_failure: now,
                last_warning: now,
                kinds: vec![kind],
                failures: 1,
            });
            return Line::Warn(message);
        };
        outage.failures = outage.failures.saturating_add(1);
        outage.last_failure = now;
        if !outage.kinds.contains(&kind) {
            outage.kinds.push(kind);
            outage.last_warning = now;
            return Line::Warn(message);
        }
        if now.since(outage.last_warning) < SUMMARY_PERIOD {
            return Line::Debug(message);
        }
        outage.last_warning = now;
        Line::Warn(format!(
            "{} requests to etcd have failed in {}; the last one: {message}",
            outage.failures,
            whole_seconds(now.since(outage.since))
        ))
    }

    /// Records a success.
    pub(crate) fn succeeded(&mut self, now: BootInstant) -> Option<Line> {
        let outage = self.outage.as_ref()?;
        if now.since(outage.last_failure) < QUIET {
            return None;
        }
        let lasted = whole_seconds(outage.last_failure.since(outage.since));
        let failures = outage.failures;
        self.outage = None;
        Some(Line::Info(format!("etcd answers again; {failures} requests failed within {lasted}")))
    }
}

fn whole_seconds(span: Duration) -> String {
    duration::print(Duration::from_secs(span.as_secs()))
}

// === impl Line ===

impl Line {
    /// Writes the line.
    pub(crate) fn log(&self) {
        match self {
            Self::Warn(text) => tracing::warn!("{text}"),
            Self::Info(text) => tracing::info!("{text}"),
            Self::Debug(text) => tracing::debug!("{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootInstant {
        BootInstant::from_nanos(seconds * 1_000_000_000)
    }

    fn is_warning(line: &Line) -> bool {
        matches!(line, Line::Warn(_))
    }

    #[test]
    fn an_outage_of_ten_minutes_logs_ten_warnings_whatever_the_number_of_retries() {
        let mut log = FailureLog::default();
        let failing = Error::Injected(Class::Ambiguous);
        let warnings = (0..600).filter(|second| is_warning(&log.failed(at(*second), &failing)));
        assert_eq!(warnings.count(), 10);
        let Line::Warn(summary) = log.failed(at(600), &failing) else { panic!("no summary") };
        assert!(summary.starts_with("601 requests to etcd have failed in 600s"), "{summary}");
        assert_eq!(log.succeeded(at(601)), None, "the other request may still fail");
        let Some(Line::Info(end)) = log.succeeded(at(610)) else { panic!("no end") };
        assert_eq!(end, "etcd answers again; 601 requests failed within 600s");
        assert_eq!(log.succeeded(at(611)), None);
        assert!(is_warning(&log.failed(at(612), &failing)), "a new outage");
    }

    #[test]
    fn each_kind_of_failure_is_logged_once_as_a_warning() {
        let mut log = FailureLog::default();
        let (unanswered, denied) = (Class::Ambiguous, Class::Denied);
        assert!(is_warning(&log.failed(at(0), &Error::Injected(unanswered))));
        assert!(is_warning(&log.failed(at(1), &Error::Injected(denied))));
        for second in 2..50 {
            let class = if second % 2 == 0 { unanswered } else { denied };
            assert_eq!(log.succeeded(at(second)), None);
            assert!(!is_warning(&log.failed(at(second), &Error::Injected(class))), "{second}");
        }
    }
}
