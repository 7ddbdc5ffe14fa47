//! How shards move when pods come and go as planned: each once, without a gap, and only those that have to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_e2e::app::{pods_of, rolled_out};
use cairn_e2e::clock::Moment;
use cairn_e2e::ns::within;
use cairn_e2e::served::{self, Span};
use cairn_e2e::sharded::{Sharded, Shares, app};
use cairn_e2e::wait::{Seen, secs, until_quickly};
use cairn_e2e::{Done, Failure};
use serde_json::json as object;

/// A first map, or the balance after the last pod has come. The rest of this machine may be busy.
const SETTLED: Duration = secs(90);
/// The takeover delay of the validity of these groups. A younger session hands nothing over.
const DELAY: Duration = Duration::from_millis(7_250);
/// On a busy machine. Without confirmations a shard would wait for its deadline and 2 s more: 5.3 s or more.
const SHORT_GAP: Duration = secs(4);

#[test]
fn a_rollout_of_ten_pods_moves_each_of_a_thousand_shards_once_and_without_a_gap() -> Done {
    const PODS: u32 = 10;
    const SHARDS: usize = 1_000;
    within("thousand", |ns| {
        let sharded = Sharded::follow(ns, "app", SHARDS);
        let mut deployment = app("web", PODS, SHARDS, "5s").deployment();
        let rolling = object!({"maxUnavailable": 0, "maxSurge": 5});
        deployment["spec"]["strategy"] = object!({"rollingUpdate": rolling});
        ns.apply(&deployment.to_string())?;
        let before = sharded.settled(10, SETTLED)?;
        sharded.served_for(DELAY)?;

        let began = Moment::now().nanos();
        ns.kubectl(&["rollout", "restart", "deployment/web"])?;
        rolled_out(ns, "web")?;
        let after = new_pods_serve_all(&sharded, &before)?;
        assert!(after.values().all(|share| (90..=110).contains(&share.len())), "{after:?}");

        let spans = sharded.judged()?;
        let since = since(&spans, began);
        let moves = served::moves(&since);
        let (gap, shard) = served::longest_gap(&since);
        let all = u32::try_from(SHARDS).unwrap_or_default();
        let per_shard = f64::from(u32::try_from(moves).unwrap_or(u32::MAX)) / f64::from(all);
        let gaps = served::gaps(&since);
        let middle = gaps.get(gaps.len() / 2).map(|(gap, _)| *gap).unwrap_or_default();
        println!(
            "rollout of {PODS} pods with {SHARDS} shards: {per_shard:.3} moves per shard, gaps of \
             {middle:.3?} in the middle and {gap:.3?} at most (shard {shard})"
        );
        assert!((1.0..=1.15).contains(&per_shard), "{moves} moves of {SHARDS} shards");
        assert!(gap < SHORT_GAP, "shard {shard} was served by nobody for {gap:?}");
        Ok(())
    })
}

#[test]
fn nobody_within_quota_moves_anything_from_three_to_ten_pods_and_back() -> Done {
    const SHARDS: usize = 100;
    within("scale", |ns| {
        let sharded = Sharded::follow(ns, "app", SHARDS);
        ns.apply(&app("web", 3, SHARDS, "5s").deployment().to_string())?;
        let three = sharded.settled(3, SETTLED)?;

        let began = Moment::now().nanos();
        ns.kubectl(&["scale", "deployment/web", "--replicas=10"])?;
        let ten = sharded.settled(10, SETTLED)?;
        let spans = sharded.judged()?;
        let up = since(&spans, began);
        for (pod, share) in &three {
            let kept = ten.get(pod).ok_or_else(|| Failure::new(format!("{pod} is gone")))?;
            let unmoved = kept.iter().all(|(shard, fence)| share.get(shard) == Some(fence));
            assert!(unmoved, "{pod} is above quota all the while, and was given something");
        }
        sharded.served_for(DELAY)?;

        let began = Moment::now().nanos();
        ns.kubectl(&["scale", "deployment/web", "--replicas=3"])?;
        let staying: BTreeSet<String> =
            pods_of(ns, "web", 3)?.into_iter().map(|pod| pod.name).collect();
        let last = sharded.settled(3, SETTLED)?;
        let spans = sharded.judged()?;
        let down = since(&spans, began);
        for pod in &staying {
            let kept = ten[pod].iter().all(|(shard, fence)| last[pod].get(shard) == Some(fence));
            assert!(kept, "{pod} stays and is within quota, and gave something away");
        }
        println!(
            "100 shards, 3 to 10 pods: {} moves, longest gap {:.3?}; 10 to 3 pods: {} moves, \
             longest gap {:.3?}",
            served::moves(&up),
            served::longest_gap(&up).0,
            served::moves(&down),
            served::longest_gap(&down).0
        );
        assert!(served::longest_gap(&spans).0 < SHORT_GAP, "{:?}", served::longest_gap(&spans));
        Ok(())
    })
}

#[test]
fn a_pod_that_is_deleted_hands_its_shards_over_before_its_app_gets_sigterm() -> Done {
    within("handover", |ns| {
        let sharded = Sharded::follow(ns, "app", 16);
        app("web", 2, 16, "5s").deploy(ns)?;
        let before = sharded.settled(2, SETTLED)?;
        sharded.served_for(DELAY)?;
        let leaving = pods_of(ns, "web", 2)?.remove(0);
        let (began, shards) = (Moment::now().nanos(), before[&leaving.name].keys().copied());
        leaving.delete()?;
        sharded.served_elsewhere(&leaving.name, &shards.collect(), secs(30))?;
        let term = until_quickly("the app gets SIGTERM", secs(30), || {
            let journals = sharded.journals()?;
            let of_pod = journals.into_iter().find(|(by, _)| by.pod == leaving.name);
            Ok(match of_pod.and_then(|(_, journal)| journal.term) {
                Some(term) => Seen::Yes(term),
                None => Seen::NotYet("not yet".to_owned()),
            })
        })?;
        assert_eq!(term.1, 0, "shards that the app served when it got SIGTERM");
        let spans = since(&sharded.judged()?, began);
        let (gap, shard) = served::longest_gap(&spans);
        println!(
            "a deleted pod: SIGTERM {:.1?} after the deletion, longest gap {gap:.3?}",
            served::between(began, term.0)
        );
        assert!(gap < SHORT_GAP, "shard {shard} was served by nobody for {gap:?}");
        Ok(())
    })
}

/// Waits until none of these pods serves anything, and others serve everything.
fn new_pods_serve_all(sharded: &Sharded, before: &Shares) -> Result<Shares, Failure> {
    let all: usize = before.values().map(BTreeMap::len).sum();
    until_quickly("the new pods serve all", SETTLED, || {
        let shares = sharded.shares()?;
        let old = shares.keys().filter(|pod| before.contains_key(*pod)).count();
        let now: usize = shares.values().map(BTreeMap::len).sum();
        Ok(if old == 0 && now == all {
            Seen::Yes(shares)
        } else {
            Seen::NotYet(format!("{old} old pods serve, {now} shards are served"))
        })
    })
}

/// What was served at this instant or later.
fn since(spans: &[Span], instant: u64) -> Vec<Span> {
    spans.iter().filter(|span| span.until > instant).cloned().collect()
}
