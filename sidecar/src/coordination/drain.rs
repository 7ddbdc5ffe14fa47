//! What a drain has left to do.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::member::MemberState;
use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::session::{Status, Stopping};
use cairn_core::coordination::validity::{MARGIN, Validity};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Coordination, Shown};

/// So many stops are named.
const NAMED: usize = 5;

/// The answer to `POST /v1/self/drain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainJson {
    /// Nothing is owned any more.
    pub done: bool,
    /// What waits, and for what.
    pub waiting: Vec<String>,
    /// How long a drain takes at most, unless a confirmation is required, in milliseconds.
    pub longest_ms: u64,
}

/// Waits until a drain has ended; or, when none begins within `undrained`, for so long.
pub async fn ended(coordination: &Coordination, undrained: Duration) {
    let mut shown = coordination.watch();
    let begins = |shown: &Arc<Shown>| shown.told.ended || is_draining(shown);
    if !matches!(timeout(undrained, shown.wait_for(begins)).await, Ok(Ok(_))) {
        return;
    }
    let validity = coordination.own().config.terms.validity;
    // Where etcd is away or a confirmation is missing, the app is not held for longer than our own hook waits.
    let longest = longest(validity);
    let _ = timeout(longest, shown.wait_for(|shown| progress(shown, validity).done)).await;
}

fn is_draining(shown: &Shown) -> bool {
    let state = shown.told.status.as_ref().map(|status| status.state);
    state == Some(MemberState::Draining)
}

/// What a drain has left to do.
pub fn progress(shown: &Shown, validity: Validity) -> DrainJson {
    let waiting = match shown.told.status.as_deref() {
        _ if shown.told.ended => Vec::new(),
        Some(status) if status.session.is_some() && status.state == MemberState::Draining => {
            waiting(status)
        }
        Some(status) if status.session.is_some() => vec!["the drain has not begun".to_owned()],
        Some(_) | None => Vec::new(),
    };
    DrainJson {
        done: waiting.is_empty(),
        waiting,
        longest_ms: u64::try_from(longest(validity).as_millis()).unwrap_or(u64::MAX),
    }
}

/// How long a drain takes at most. A process that is younger than D hands nothing over before D has passed since its
/// start.
fn longest(validity: Validity) -> Duration {
    validity.takeover_delay().max(validity.span() + MARGIN) + MARGIN
}

/// Names each of a few, and counts many.
fn waiting(status: &Status) -> Vec<String> {
    let stopping = |stopping: &Stopping| {
        let of = stopping.of;
        if stopping.confirmed {
            format!("{of} is confirmed and being handed over")
        } else {
            format!("{of} waits for the app to confirm {} or for its deadline", stopping.stop)
        }
    };
    let mut waiting: Vec<_> = status.stopping.iter().take(NAMED).map(stopping).collect();
    let more = status.stopping.len().saturating_sub(NAMED);
    if more > 0 {
        waiting.push(format!("{more} more wait for the app to confirm or for their deadlines"));
    }
    if !status.shards.is_empty() {
        waiting.push(format!("{} shards are still served", status.shards.len()));
    }
    if status.leader.own.is_some() {
        waiting.push(format!("{} is still held", Ownable::Leader));
    }
    waiting
}
