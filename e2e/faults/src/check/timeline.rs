//! The timeline of a violation: everything about its name, from 20 s before it to 5 s after it.

use std::fmt::Write as _;
use std::time::Duration;

use super::Violation;
use crate::boottime::{self, Nanos};
use crate::history::History;
use crate::journal::Evidence;

/// Longer than V, S and Q of the histories' pools.
const BEFORE: Duration = Duration::from_secs(20);
const AFTER: Duration = Duration::from_secs(5);

/// Holds, changes and faults around a violation, ordered by time.
pub fn of(violation: &Violation, evidence: &Evidence, history: &History) -> String {
    let (from, to) = (
        violation.at.saturating_sub(boottime::nanos(BEFORE)),
        violation.at.saturating_add(boottime::nanos(AFTER)),
    );
    let mut lines: Vec<(Nanos, String)> = Vec::new();
    for hold in &evidence.holds {
        let same = hold.path == violation.path && hold.name == violation.name;
        if same && hold.until >= from && hold.first <= to {
            let (uid, fence) = (&hold.uid, hold.fence);
            lines.push((hold.first, format!("app of {uid} uses it first, fence {fence}")));
            lines.push((hold.last, format!("app of {uid} uses it last, fence {fence}")));
            lines.push((hold.until, format!("app of {uid} stops at the latest, fence {fence}")));
        }
    }
    let identity = (violation.path.clone(), violation.name.clone());
    for run in evidence.runs.iter().filter(|run| run.environment.contains(&identity)) {
        if run.ended.is_none_or(|ended| ended >= from) && run.started <= to {
            lines.push((run.started, format!("app of {} is started with it", run.uid)));
            lines.extend(run.ended.map(|ended| (ended, format!("app of {} has ended", run.uid))));
        }
    }
    for note in evidence.notes.iter().filter(|note| note.at >= from && note.at <= to) {
        lines.push((note.at, note.what.clone()));
    }
    for generation in &history.generations {
        for (revision, step) in generation {
            if step.seen < from || step.seen > to {
                continue;
            }
            for change in &step.changes {
                let rest = change.key.strip_prefix(&violation.path);
                let about = rest.is_some_and(|rest| {
                    rest.starts_with("q/") || rest.get(2..) == Some(violation.name.as_str())
                });
                if !violation.path.is_empty() && about {
                    let what = match &change.put {
                        Some(put) => format!("put {}", String::from_utf8_lossy(&put.value)),
                        None => "deleted".to_owned(),
                    };
                    lines.push((step.seen, format!("etcd {revision}: {} {what}", change.key)));
                }
            }
        }
    }
    lines.sort();
    let mut text = String::new();
    for (at, line) in lines {
        let sign = if at < violation.at { '-' } else { '+' };
        let apart = boottime::between(at.min(violation.at), at.max(violation.at));
        let _ = writeln!(text, "    {sign}{:8.3}s {line}", apart.as_secs_f64());
    }
    text
}
