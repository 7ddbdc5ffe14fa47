//! Who owned which shard, and who led, from when to when, as far as it was seen. Pure: time comes in.
//!
//! etcd keeps no history of owners, so this begins when the program starts. It forgets spans that ended more than an
//! hour ago, and keeps a bounded number for each shard.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::path::GroupPath;
use cairn_core::time::UnixMillis;
use serde_json::{Value, json};

use crate::groups::{GroupView, Groups, pod_of};

/// How long a span is kept after its end.
const KEEP: Duration = Duration::from_hours(1);
/// The most spans of one shard. A shard that moves more often is not readable anyway.
const MOST_SPANS: usize = 64;

/// The history of all groups.
#[derive(Debug, Default)]
pub struct Timeline(BTreeMap<(GroupPath, Ownable), VecDeque<Span>>);

/// A time with one owner.
#[derive(Clone, Debug)]
struct Span {
    from: UnixMillis,
    /// `None` while it goes on.
    to: Option<UnixMillis>,
    uid: String,
    pod: String,
    /// The revision of the grant: with the epoch, the fence.
    revision: i64,
}

// === impl Timeline ===

impl Timeline {
    /// Takes in who owns what now.
    pub fn observe(&mut self, groups: &Groups, now: UnixMillis) {
        let mut owned = BTreeMap::new();
        for (path, view) in &groups.groups {
            for (what, uid, revision) in owners(view) {
                owned.insert((path.clone(), what), (pod_of(view, uid), uid, revision));
            }
        }
        for (what, spans) in &mut self.0 {
            let now_owned = owned.get(what);
            for span in spans.iter_mut().filter(|span| span.to.is_none()) {
                let goes_on = |(_, uid, revision): &(&str, &str, i64)| {
                    span.uid == *uid && span.revision == *revision
                };
                if !now_owned.is_some_and(goes_on) {
                    span.to = Some(now);
                }
            }
            let horizon = now.0.saturating_sub(i64::try_from(KEEP.as_millis()).unwrap_or(i64::MAX));
            spans.retain(|span| span.to.is_none_or(|to| to.0 > horizon));
        }
        for (what, (pod, uid, revision)) in owned {
            let spans = self.0.entry(what).or_default();
            if spans.back().is_none_or(|last| last.to.is_some()) {
                let (uid, pod) = (uid.to_owned(), pod.to_owned());
                spans.push_back(Span { from: now, to: None, uid, pod, revision });
            }
            while spans.len() > MOST_SPANS {
                spans.pop_front();
            }
        }
        self.0.retain(|_, spans| !spans.is_empty());
    }

    /// The spans of everything that was owned.
    pub fn spans(&self) -> impl Iterator<Item = (&GroupPath, Ownable, Value)> {
        self.0.iter().map(|((path, what), spans)| {
            let spans = spans.iter().map(
                |span| json!({"from": span.from, "to": span.to, "uid": span.uid, "pod": span.pod}),
            );
            (path, *what, spans.collect())
        })
    }
}

/// What has a living owner: the owner's UID, and the revision of the grant.
fn owners(view: &GroupView) -> impl Iterator<Item = (Ownable, &str, i64)> {
    let leader = view.picture.leader.iter().map(|granted| (Ownable::Leader, granted));
    let shards = view.picture.shards.iter();
    let shards = shards.map(|(shard, granted)| (Ownable::Shard(*shard), granted));
    leader
        .chain(shards)
        .filter(|(_, granted)| view.owner(granted).is_some())
        .map(|(what, granted)| (what, granted.grant.uid.as_str(), granted.revision))
}

#[cfg(test)]
mod tests;
