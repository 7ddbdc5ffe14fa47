//! Users that come and go while others claim and renew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_core::time_limits::TimeLimits;
use cairn_store::Kv;
use etcd_client::Client;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::fixture::{Compactor, Fixture, path, tea};
use crate::office::{Office, pool};
use crate::users;

const USERS: usize = 200;
const HOLDERS: usize = 10;
const CLAIMANTS: usize = 4;

/// What the others did during the churn.
#[derive(Debug, Default)]
struct Counts {
    renewals: AtomicU64,
    claims: AtomicU64,
    waits: AtomicU64,
    /// Requests without any retry that etcd refused because of the churn.
    refused: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_that_come_and_go_cost_no_renewal_and_no_claim() {
    let office = Office::open().await;
    let names: Vec<String> = (0..64).map(|n| format!(r#""n{n}""#)).collect();
    office.fixture().await.define(&names.join(",")).await;
    let (counts, over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let mut others = JoinSet::new();
    for number in 0..HOLDERS {
        let fixture = pods(&office).await;
        let (counts, over) = (Arc::clone(&counts), Arc::clone(&over));
        others.spawn(async move { hold(&fixture, number, &counts, &over).await });
    }
    for number in 0..CLAIMANTS {
        let fixture = pods(&office).await;
        let (counts, over) = (Arc::clone(&counts), Arc::clone(&over));
        others.spawn(async move { claim_and_release(&fixture, number, &counts, &over).await });
    }
    let raw = office.raw("cairn:shop").await;
    let (refused, ended) = (Arc::clone(&counts), Arc::clone(&over));
    others.spawn(async move { without_retry(raw, &refused, &ended).await });

    for number in 0..USERS {
        let namespace = format!("churn-{number}");
        office.root.grant_namespace(&namespace, &[pool("numbers")]).await.unwrap();
        if number % 2 == 0 {
            assert!(office.root.remove_namespace(&namespace).await.unwrap());
        }
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = others.join_next().await {
        ended.unwrap();
    }
    println!("{counts:?}");
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    assert!(of(&counts.renewals) > 100 && of(&counts.claims) > 20, "{counts:?}");
    assert!(
        of(&counts.refused) > 0,
        "the churn disturbed nobody, so this shows nothing: {counts:?}"
    );
    assert_eq!(office.root.namespaces_with_access().await.unwrap().len(), USERS / 2 + 2);
}

/// Pods with a connection of their own.
async fn pods(office: &Office) -> Fixture<Arc<cairn_store::etcd::Etcd>> {
    let etcd = users::user(&office.process, "cairn:shop").await;
    // No renewal may need more than this: a sixth of the validity of the shipped pools.
    etcd.set_time_limits(TimeLimits::fixed(cairn_store::etcd::Etcd::DEFAULT_REQUEST_TIMEOUT));
    let client = office.raw("root").await;
    Fixture::new(etcd, Arc::clone(&office.root), Compactor::Etcd(Box::new(client)))
}

/// Claims a name, and renews it until the end.
async fn hold<K: Kv>(fixture: &Fixture<K>, number: usize, counts: &Counts, over: &AtomicBool) {
    let (uid, name) = (format!("holder-{number}"), format!("n{number}"));
    let (won, lease) = fixture.claim(&uid, &name, 60).await;
    let mine = won.unwrap().own_mod_revision;
    let slots = [(tea(), path().slot(&name))];
    while !over.load(Ordering::Relaxed) {
        let renewal = fixture.store.renew(BootInstant::default(), lease, &slots).await;
        let renewal = renewal.unwrap_or_else(|error| panic!("{}", error.report()));
        assert_eq!(renewal.ttl.as_secs(), 60);
        let seen = renewal.read.unwrap().slots.remove(0).1.unwrap();
        assert_eq!(seen.mod_revision, mine);
        counts.renewals.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(20)).await;
    }
}

/// Claims and releases again and again, and waits in the queue in between.
async fn claim_and_release<K: Kv>(
    fixture: &Fixture<K>,
    number: usize,
    counts: &Counts,
    over: &AtomicBool,
) {
    let (uid, name) = (format!("claimant-{number}"), format!("n{}", 32 + number));
    while !over.load(Ordering::Relaxed) {
        let lease = fixture.grant(60).await.lease;
        let ticket = fixture.join(&uid, lease).await.revision;
        let request = fixture.redeem_request(&uid, &name, ticket, lease).await;
        // Another claimant's release or freeze may come in between; only success is counted.
        if let Some(won) = fixture.store.redeem(&request).await.unwrap() {
            counts.claims.fetch_add(1, Ordering::Relaxed);
            assert!(fixture.release(&uid, &name, won.own_mod_revision, 0).await);
        }
        let from = fixture.view(&uid).await.revision;
        fixture.wakes(from, None, Duration::from_millis(20)).await;
        counts.waits.fetch_add(1, Ordering::Relaxed);
        fixture.store.revoke(lease).await.unwrap();
    }
}

/// What happens to a client that does not try again.
async fn without_retry(mut raw: Client, counts: &Counts, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        if let Err(error) = raw.put(path().clock("raw"), "x", None).await {
            let error = error.to_string();
            assert!(error.contains("revision of auth store is old"), "{error}");
            counts.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}
