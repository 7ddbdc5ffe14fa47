//! What goes wrong with etcd, in few log lines.
//!
//! A thousand sidecars that retry every second must not write a thousand lines a second. One warning says
//! that requests began to fail, one for each further kind of failure, then at most one a minute; one
//! line says that they succeed again. Everything else is for debugging.
//!
//! Pure: time comes in as a value.

use std::time::Duration;

use cairn_core::duration;
use cairn_core::time::BootInstant;
use cairn_store::{Class, Error};

/// Between two warnings of one process about the same state.
const SUMMARY_PERIOD: Duration = Duration::from_secs(60);

/// Good answers end the trouble when nothing has failed for this long: claiming and renewing go on
/// beside each other, and one of them may fail while the other succeeds.
const QUIET: Duration = Duration::from_secs(9);

/// What is known of failures.
#[derive(Debug, Default)]
pub(super) struct TroubleLog {
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    since: BootInstant,
    last_failure: BootInstant,
    last_warning: BootInstant,
    /// The kinds that a warning has named.
    kinds: Vec<Kind>,
    failures: u32,
}

/// Failures of one kind are one state.
type Kind = (Class, bool);

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Warn(String),
    Info(String),
    Debug(String),
}

// === impl TroubleLog ===

impl TroubleLog {
    /// A request has failed.
    pub(super) fn failed(&mut self, now: BootInstant, error: &Error) -> Line {
        let kind = (error.class(), matches!(error, Error::OtherCluster { .. }));
        let message = error.report();
        let Some(trouble) = &mut self.trouble else {
            self.trouble = Some(Trouble {
                since: now,
                last_failure: now,
                last_warning: now,
                kinds: vec![kind],
                failures: 1,
            });
            return Line::Warn(message);
        };
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.last_failure = now;
        if !trouble.kinds.contains(&kind) {
            trouble.kinds.push(kind);
            trouble.last_warning = now;
            return Line::Warn(message);
        }
        if now.since(trouble.last_warning) < SUMMARY_PERIOD {
            return Line::Debug(message);
        }
        trouble.last_warning = now;
        Line::Warn(format!(
            "{} requests to etcd have failed in {}; the last one: {message}",
            trouble.failures,
            whole_seconds(now.since(trouble.since))
        ))
    }

    /// A request has succeeded.
    pub(super) fn succeeded(&mut self, now: BootInstant) -> Option<Line> {
        let trouble = self.trouble.as_ref()?;
        if now.since(trouble.last_failure) < QUIET {
            return None;
        }
        let lasted = whole_seconds(trouble.last_failure.since(trouble.since));
        let failures = trouble.failures;
        self.trouble = None;
        Some(Line::Info(format!("etcd answers again; {failures} requests failed within {lasted}")))
    }
}

fn whole_seconds(span: Duration) -> String {
    duration::print(Duration::from_secs(span.as_secs()))
}

// === impl Line ===

impl Line {
    /// Writes it.
    pub(super) fn log(&self) {
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
    fn an_outage_of_ten_minutes_is_ten_warnings_however_often_it_is_retried() {
        let mut log = TroubleLog::default();
        let failing = Error::Injected(Class::Ambiguous);
        let warnings = (0..600).filter(|second| is_warning(&log.failed(at(*second), &failing)));
        assert_eq!(warnings.count(), 10);
        let Line::Warn(summary) = log.failed(at(600), &failing) else { panic!("no summary") };
        assert!(summary.starts_with("601 requests to etcd have failed in 600s"), "{summary}");
        assert_eq!(log.succeeded(at(601)), None, "the other track may still fail");
        let Some(Line::Info(end)) = log.succeeded(at(610)) else { panic!("no end") };
        assert_eq!(end, "etcd answers again; 601 requests failed within 600s");
        assert_eq!(log.succeeded(at(611)), None);
        assert!(is_warning(&log.failed(at(612), &failing)), "a new state");
    }

    #[test]
    fn another_kind_of_failure_is_another_state() {
        let mut log = TroubleLog::default();
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
