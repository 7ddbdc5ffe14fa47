//! `deploy/examples/shards.yaml`, as it is.

use std::collections::BTreeSet;
use std::time::Duration;

use cairn_e2e::app::{pods_of, rolled_out};
use cairn_e2e::clock::Moment;
use cairn_e2e::ns::within;
use cairn_e2e::served;
use cairn_e2e::sharded::Sharded;
use cairn_e2e::wait::{Seen, secs, until_quickly};
use cairn_e2e::{Done, paths};

const APP: &str = "factors";
const PODS: usize = 3;
const SHARDS: usize = 16;
const SETTLED: Duration = secs(90);
/// The takeover delay of the default validity. A younger session hands nothing over.
const DELAY: Duration = Duration::from_millis(12_300);

#[test]
fn the_example_shares_its_work_and_goes_on_with_it_through_a_rollout() -> Done {
    within("example", |ns| {
        let sharded = Sharded::follow(ns, APP, SHARDS);
        let example = paths::repository().join("deploy/examples/shards.yaml");
        ns.kubectl(&["apply", "-f", &example.to_string_lossy()])?;
        rolled_out(ns, APP)?;
        let before = sharded.settled(PODS, SETTLED)?;
        works(&sharded, &before.keys().cloned().collect())?;
        sharded.served_for(DELAY)?;

        let began = Moment::now().nanos();
        ns.kubectl(&["rollout", "restart", &format!("deployment/{APP}")])?;
        rolled_out(ns, APP)?;
        let pods: BTreeSet<String> =
            pods_of(ns, APP, PODS)?.into_iter().map(|pod| pod.name).collect();
        let after = sharded.settled(PODS, SETTLED)?;
        assert_eq!(after.keys().cloned().collect::<BTreeSet<_>>(), pods);
        assert!(pods.iter().all(|pod| !before.contains_key(pod)), "{pods:?}");
        works(&sharded, &pods)?;

        let spans = sharded.judged()?;
        let since: Vec<_> = spans.into_iter().filter(|span| span.until > began).collect();
        let (gap, shard) = served::longest_gap(&since);
        println!(
            "the example's rollout: {} moves of {SHARDS} shards, longest gap {gap:.2?} (shard {shard})",
            served::moves(&since)
        );
        // It looks every 0.2 s, and a busy machine is slow. Without its confirmations a shard waits for its deadline
        // and 2 s more, that is for 8.7 s or more.
        assert!(gap < secs(6), "shard {shard} was served by nobody for {gap:?}");
        Ok(())
    })
}

/// Waits until each shard's work has been done by one of these pods, and checks it.
fn works(sharded: &Sharded, pods: &BTreeSet<String>) -> Done {
    until_quickly("work is done for each shard", SETTLED, || {
        let mut shards = BTreeSet::new();
        for (by, lines) in sharded.lines()?.into_iter().filter(|(by, _)| pods.contains(&by.pod)) {
            for (shard, number, factors) in lines.iter().filter_map(|line| factored(line)) {
                let product: u64 = factors.iter().product();
                assert_eq!(product, number, "{} was wrong about shard {shard}", by.pod);
                assert_eq!(number % 16, shard, "the number is another shard's");
                shards.insert(shard);
            }
        }
        Ok(if shards.len() == SHARDS {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("for {shards:?}"))
        })
    })
}

/// `shard 3: 28724448675: 3 5 1914963245`.
fn factored(line: &str) -> Option<(u64, u64, Vec<u64>)> {
    let (shard, rest) = line.strip_prefix("shard ")?.split_once(": ")?;
    let (number, factors) = rest.split_once(": ")?;
    let factors = factors.split(' ').map(str::parse).collect::<Result<_, _>>();
    Some((shard.parse().ok()?, number.parse().ok()?, factors.ok()?))
}
