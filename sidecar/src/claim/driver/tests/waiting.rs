//! Waiting in the queue, with virtual time: its order, watches, crashed waiters, restarts and ends.

use cairn_core::pool::outlasting;

use super::*;

/// The quarantine after a clean release.
const REST: Duration = Duration::from_secs(5);

/// The TTL of a lease that is granted before the pool's spec is known.
const TTL: Duration = Duration::from_secs(61);

/// A store with the pool, whose requests take time.
async fn exhausted(names: usize, rule: &str) -> (MemoryKv, Store<MemoryKv>, Vec<Sidecar>) {
    let memory = MemoryKv::default();
    let store = Store::new(memory.clone());
    define(&store, names, rule).await;
    memory.set_latency(Duration::from_millis(4));
    let mut holders = Vec::new();
    for n in 0..names {
        let mut holder = Sidecar::start(&memory, &format!("holder{n}"), &[TEA]);
        holder.reaches(ClaimState::Held).await;
        holders.push(holder);
    }
    (memory, store, holders)
}

async fn waiters(memory: &MemoryKv, count: usize) -> Vec<Sidecar> {
    let mut waiters = Vec::new();
    for n in 0..count {
        let mut waiter = Sidecar::start(memory, &format!("waiter{n}"), &[TEA]);
        assert_eq!(waiter.waits().await, n);
        waiters.push(waiter);
    }
    waiters
}

fn passed(since: Instant) -> Duration {
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn waiting_pods_get_names_in_the_order_of_their_tickets() {
    local(async {
        let (memory, store, holders) = exhausted(3, "Wait").await;
        let mut waiters = waiters(&memory, 20).await;
        for holder in holders {
            holder.stop().await;
        }
        while !waiters.is_empty() {
            // Three names become free at a time, and the first three pods get them.
            let behind = waiters.split_off(waiters.len().min(3));
            for mut first in waiters {
                let before = Instant::now();
                first.reaches(ClaimState::Held).await;
                assert!(passed(before) < REST + Duration::from_millis(200), "{:?}", passed(before));
                assert!(behind.iter().all(|later| later.holds().is_none()));
                first.stop().await;
            }
            waiters = behind;
        }
        assert_eq!(view(&store, "nobody").await.queued, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_pod_shows_its_rank_to_the_probe_the_api_and_the_metrics() {
    local(async {
        let (memory, _, _holders) = exhausted(1, "Wait").await;
        let waiter = waiters(&memory, 3).await.pop().unwrap();
        let snapshot = Arc::clone(&waiter.snapshots.borrow());
        let json = snapshot.claims[0].status.identity.json();
        assert_eq!((json.rank, json.state), (Some(2), ClaimState::Waiting));
        let applied = crate::applied::Applied { snapshot, ..Default::default() };
        let said = applied.held().unwrap_err();
        assert!(said.starts_with("pool tea: waiting: ") && said.contains("rank 2"), "{said}");
        let (metrics, _) = crate::metrics::build(Arc::new(PausedClock(Instant::now())), None);
        let scrape = metrics.render(&applied);
        assert!(scrape.contains("cairn_sidecar_claim_rank{pool=\"tea\"} 2"), "{scrape}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_later_pod_does_not_overtake_waiting_pods() {
    local(async {
        let (memory, _, holders) = exhausted(1, "Wait").await;
        let mut first = waiters(&memory, 1).await.remove(0);
        for holder in holders {
            holder.stop().await;
        }
        // It starts when the name becomes free.
        tokio::time::advance(REST).await;
        let mut later = Sidecar::start(&memory, "later", &[TEA]);
        first.reaches(ClaimState::Held).await;
        assert_eq!(later.waits().await, 0);
        assert_eq!(later.holds(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_tickets_of_crashed_waiters_are_overtaken_a_second_each() {
    for crashed in [1, 3] {
        local(async {
            let (memory, _, holders) = exhausted(1, "Wait").await;
            let mut waiters = waiters(&memory, crashed + 2).await;
            let mut last = waiters.pop().unwrap();
            let mut first_alive = waiters.pop().unwrap();
            for waiter in waiters {
                waiter.crash().await;
            }
            for holder in holders {
                holder.stop().await;
            }
            let before = Instant::now();
            first_alive.reaches(ClaimState::Held).await;
            let silence = Duration::from_secs(u64::try_from(crashed).unwrap());
            let waited = passed(before);
            assert!(waited >= REST + silence, "{waited:?}");
            assert!(waited < REST + silence + Duration::from_millis(500), "{waited:?}");
            assert_eq!(last.holds(), None);
            first_alive.stop().await;
            last.reaches(ClaimState::Held).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn pods_behind_more_crashed_waiters_than_the_front_holds_get_their_names() {
    local(async {
        let (memory, store, holders) = exhausted(2, "Wait").await;
        let mut waiters = waiters(&memory, 20).await;
        let mut alive = waiters.pop().unwrap();
        for waiter in waiters {
            waiter.crash().await;
        }
        for holder in holders {
            holder.stop().await;
        }
        let before = Instant::now();
        alive.reaches(ClaimState::Held).await;
        assert!(passed(before) < TTL + Duration::from_secs(1), "{:?}", passed(before));
        tokio::time::advance(TTL).await;
        assert_eq!(view(&store, "nobody").await.queued, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_crashed_holders_name_goes_to_the_first_in_the_queue_after_its_quarantine() {
    local(async {
        let (memory, _, mut holders) = exhausted(1, "Wait").await;
        let mut waiters = waiters(&memory, 3).await;
        holders.remove(0).crash().await;
        let before = Instant::now();
        waiters[0].reaches(ClaimState::Held).await;
        // The quarantine follows the end of the lease, because the holder may not know of that end.
        let rest = outlasting(Duration::from_secs(30), Duration::from_secs(15));
        assert!(passed(before) >= rest, "{:?}", passed(before));
        assert!(passed(before) < TTL + rest + Duration::from_secs(1), "{:?}", passed(before));
        assert!(waiters[1].holds().is_none() && waiters[2].holds().is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_restarts_keeps_its_position() {
    local(async {
        let (memory, store, holders) = exhausted(1, "Wait").await;
        let mut waiters = waiters(&memory, 2).await;
        let before = view(&store, "waiter0").await.ticket.unwrap();
        waiters.remove(0).crash().await;
        // This is longer than its lease: the newer process must renew the lease of the ticket.
        let mut again = Sidecar::start(&memory, "waiter0", &[TEA]);
        assert_eq!(again.waits().await, 0);
        for _ in 0..60 {
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(view(&store, "waiter0").await.ticket, Some(before));
        for holder in holders {
            holder.stop().await;
        }
        again.reaches(ClaimState::Held).await;
        assert_eq!(waiters[0].holds(), None);
        assert_eq!(view(&store, "waiter0").await.owners[0].lease, before.lease);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_waiter_leaves_no_ticket() {
    local(async {
        let (memory, store, _holders) = exhausted(1, "Wait").await;
        let waiter = waiters(&memory, 1).await.remove(0);
        assert_eq!(waiter.stop().await, EndReason::Released);
        assert_eq!(view(&store, "nobody").await.queued, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_with_the_rule_fail_refuses_further_pods_and_leaves_no_ticket() {
    local(async {
        let memory = MemoryKv::default();
        let store = Store::new(memory.clone());
        define(&store, 10, "Fail").await;
        memory.set_latency(Duration::from_millis(4));
        let pods: Vec<_> =
            (0..12).map(|n| Sidecar::start(&memory, &format!("u{n}"), &[TEA])).collect();
        let mut held = Vec::new();
        for pod in pods {
            while pod.holds().is_none() && !pod.ended.is_finished() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if pod.holds().is_some() {
                held.push(pod);
                continue;
            }
            let EndReason::Failed(message) = pod.ended.await.unwrap() else { panic!() };
            assert!(message.contains("all 10 names of pool 'tea'"), "{message}");
        }
        assert_eq!(held.len(), 10);
        assert_eq!(view(&store, "nobody").await.queued, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn waiting_pods_get_a_new_name_of_the_spec_at_once() {
    local(async {
        let (memory, store, _holders) = exhausted(2, "Wait").await;
        let mut waiters = waiters(&memory, 2).await;
        // The length of the wait before does not matter.
        tokio::time::sleep(Duration::from_secs(100)).await;
        let before = Instant::now();
        define(&store, 3, "Wait").await;
        assert_eq!(waiters[0].reaches(ClaimState::Held).await.unwrap(), "tea002");
        assert!(passed(before) < Duration::from_millis(200), "{:?}", passed(before));
        assert_eq!(waiters[1].holds(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_watches_and_changes_no_order() {
    local(async {
        let (memory, _, holders) = exhausted(1, "Wait").await;
        let mut waiters = waiters(&memory, 3).await;
        memory.set_down(true);
        tokio::time::sleep(Duration::from_secs(20)).await;
        memory.set_down(false);
        for holder in holders {
            holder.stop().await;
        }
        waiters[0].reaches(ClaimState::Held).await;
        assert!(waiters[1].holds().is_none() && waiters[2].holds().is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_pods_with_the_same_two_pools_in_two_orders_do_not_wait_for_each_other() {
    local(async {
        let memory = MemoryKv::default();
        let store = Store::new(memory.clone());
        define(&store, 1, "Wait").await;
        let json = br#"{"names":{"list":["Java"]}}"#;
        let coffee = Pool::from_json("coffee".parse().unwrap(), json).unwrap();
        store.define(&coffee, 5, None).await.unwrap();
        memory.set_latency(Duration::from_millis(4));
        let one = Sidecar::start(&memory, "u1", &[TEA, "coffee"]);
        let two = Sidecar::start(&memory, "u2", &["coffee", TEA]);
        let both = |pod: &Sidecar| {
            let snapshot = pod.snapshots.borrow();
            snapshot.claims.iter().all(|claim| claim.status.identity.state == ClaimState::Held)
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (first, second) = if both(&one) { (one, two) } else { (two, one) };
        assert!(both(&first) && !both(&second));
        first.stop().await;
        tokio::time::sleep(REST * 3).await;
        assert!(both(&second));
    })
    .await;
}
