//! What a group promises beside one server at a time: confirmations, heartbeats, weights, the leader's value.

use std::collections::BTreeMap;

use cairn_core::coordination::owner::Ownable;

use super::{Kind, Violation};
use crate::boottime::Nanos;
use crate::coordination::journal::{Evidence, Span};

/// What went to another pod though the app had not confirmed that it has stopped. Only for groups in which sessions end
/// with their pods.
pub fn unconfirmed(evidence: &Evidence) -> Vec<Violation> {
    let ended: BTreeMap<&str, Nanos> =
        evidence.ended.iter().map(|(at, uid)| (uid.as_str(), *at)).collect();
    let mut last: BTreeMap<Ownable, &Span> = BTreeMap::new();
    let mut spans: Vec<&Span> = evidence.spans.iter().collect();
    spans.sort_by_key(|span| span.first);
    let mut found = Vec::new();
    for new in spans {
        let Some(old) = last.insert(new.of, new).filter(|old| old.uid != new.uid) else { continue };
        let confirmed = old.confirmed.is_some_and(|at| at <= new.first);
        let over = ended.get(old.uid.as_str()).is_some_and(|at| *at <= new.first);
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
    let number = |value: &[u8]| -> Option<(i64, u64)> {
        let (fence, put) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        Some((fence.parse().ok()?, put.parse().ok()?))
    };
    let numbers = evidence.values.iter();
    let numbers: Vec<_> =
        numbers.map(|(revision, value)| (revision, number(value).unwrap_or_default())).collect();
    let pairs = numbers.iter().zip(numbers.iter().skip(1));
    let back = pairs.filter(|((_, old), (_, new))| new <= old);
    back.map(|(old, new)| {
        let text = format!("value {:?} was put over {:?} at revision {}", new.1, old.1, new.0);
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
