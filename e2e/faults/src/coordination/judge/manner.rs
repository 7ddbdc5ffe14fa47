//! What a group promises beside one server at a time: confirmations, heartbeats, weights, the leader's value.

use std::collections::BTreeMap;

use cairn_core::coordination::owner::Ownable;

use super::{Kind, Violation};
use crate::coordination::journal::{Evidence, Span};

/// What went to another pod though the app had not confirmed that it has stopped, and though its session was there when
/// the other pod got it. A session that etcd has ended is taken over by time, and one of an earlier epoch after a hold:
/// nobody can confirm for it.
pub fn unconfirmed(evidence: &Evidence) -> Vec<Violation> {
    let had_ended = |old: &Span, new: &Span| {
        let ends = evidence.sessions_ended.range((old.fence, String::new())..);
        ends.take_while(|(at, _)| *at < new.fence).any(|(_, uid)| *uid == old.uid)
    };
    let mut last: BTreeMap<Ownable, &Span> = BTreeMap::new();
    let mut spans: Vec<&Span> = evidence.spans.iter().collect();
    spans.sort_by_key(|span| span.first);
    let mut found = Vec::new();
    for new in spans {
        let Some(old) = last.insert(new.of, new).filter(|old| old.uid != new.uid) else { continue };
        let over = old.fence.epoch < new.fence.epoch || had_ended(old, new);
        let confirmed = old.confirmed.is_some_and(|at| at <= new.first);
        if !confirmed && !over {
            let (of, from, to) = (old.of, &old.uid, &new.uid);
            let text = format!("{of} went from {from} to {to}, and {from} had not confirmed");
            found.push(Violation { kind: Kind::Unconfirmed, at: new.first, text });
        }
    }
    found
}

/// Deadlines beyond the last heartbeat and its time.
pub fn overruns(evidence: &Evidence) -> Vec<Violation> {
    let overruns = evidence.overruns.iter().cloned();
    overruns.map(|(at, text)| Violation { kind: Kind::Heartbeat, at, text }).collect()
}

/// Values that do not go forward: each is the fence under which the leader's app put it, and the number of the put.
pub fn values(evidence: &Evidence) -> Vec<Violation> {
    let pairs = evidence.values.iter().zip(evidence.values.iter().skip(1));
    let back = pairs.filter(|((_, old), (_, new))| new <= old);
    back.map(|((_, old), (at, new))| {
        let text = format!("value {new:?} was put over {old:?} at {at:?}");
        Violation::now(Kind::Value, text)
    })
    .collect()
}

/// Which members have more or fewer shards than their weights say: `None` when all are within one of it.
pub fn uneven(members: &[(u32, usize)]) -> Option<String> {
    let weights: usize = members.iter().map(|(weight, _)| to_usize(*weight)).sum();
    let shards: usize = members.iter().map(|(_, shards)| shards).sum();
    let odd = members.iter().find(|(weight, held)| {
        let whole = (shards * to_usize(*weight)).checked_div(weights).unwrap_or_default();
        *held < whole || *held > whole + 1
    });
    odd.map(|(weight, held)| format!("{held} shards for the weight {weight}, in {members:?}"))
}

fn to_usize(weight: u32) -> usize {
    usize::try_from(weight).unwrap_or(usize::MAX)
}
