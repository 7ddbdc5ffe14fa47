//! The mirror's view of claims, fed by a real etcd in which claims are made as sidecars make them.

use std::sync::Arc;

use cairn_core::quarantine::WaitsFor;
use cairn_test_etcd::TestEtcd;
use tokio::time::timeout;

use super::*;
use crate::mirror::claims::Claims;
use crate::mirror::pod::PodId;
use crate::mirror::testing::{Sidecars, connect, pool};

/// A lease's end, or a restart of etcd with a pause before the next attempt, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The least that etcd grants is 2 s; nothing of these tests takes longer than a minute.
const LONG: Duration = Duration::from_mins(1);

/// The view, and the watch of claims that it follows.
struct View {
    claims: Claims,
    updates: mpsc::Receiver<Update>,
    blind: bool,
}

fn pod(uid: &str) -> PodId {
    PodId { namespace: "shop".into(), uid: uid.into() }
}

impl View {
    async fn of(etcd: &TestEtcd) -> Self {
        let etcd = Arc::new(connect(etcd).await);
        let (sender, updates) = mpsc::channel(8);
        tokio::spawn(async move { follow(&etcd, &sender).await });
        Self { claims: Claims::default(), updates, blind: true }
    }

    async fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let following = async {
            while !condition(self) {
                match self.updates.recv().await.expect("the claims_watch goes on for ever") {
                    Update::Listed(keys) => {
                        self.claims.reset(&keys);
                        self.blind = false;
                    }
                    Update::Changed(changes) => drop(self.claims.apply(&changes)),
                    Update::Disconnected => self.blind = true,
                }
            }
        };
        let seen = timeout(LIMIT, following).await;
        assert!(seen.is_ok(), "{what} was not seen within {LIMIT:?}");
    }

    fn name(&self, uid: &str) -> Option<String> {
        self.claims.of(&pod(uid)).remove(&pool()).map(|claim| claim.name)
    }
}

#[tokio::test]
async fn claims_are_seen_as_they_come_and_go() {
    let etcd = TestEtcd::start().unwrap();
    let sidecars = Sidecars::of(&etcd).await;
    let mut view = View::of(&etcd).await;
    view.until("the empty list", |view| !view.blind).await;
    let mine = sidecars.claim("u1", "Denali", LONG).await;
    view.until("the claim", |view| view.name("u1").as_deref() == Some("Denali")).await;
    let fence = view.claims.of(&pod("u1"))[&pool()].fence;
    assert_eq!((fence.epoch, fence.revision), (5, mine));
    sidecars.release("u1", "Denali", mine, LONG, WaitsFor::Time).await;
    view.until("the release", |view| view.name("u1").is_none()).await;
    let counts = view.claims.census().remove(&pool()).unwrap();
    assert_eq!((counts.held, counts.quarantined), (0, 1));
}

#[tokio::test]
async fn a_claim_whose_lease_runs_out_is_gone() {
    let etcd = TestEtcd::start().unwrap();
    let sidecars = Sidecars::of(&etcd).await;
    sidecars.claim("u1", "Denali", LONG).await;
    sidecars.claim("u2", "MtLogan", Duration::from_secs(2)).await;
    let mut view = View::of(&etcd).await;
    view.until("both claims", |view| view.name("u1").is_some() && view.name("u2").is_some()).await;
    view.until("the lease's end", |view| view.name("u2").is_none()).await;
    assert_eq!(view.name("u1").as_deref(), Some("Denali"));
    // Nobody has begun its quarantine; the note says that it rests.
    assert_eq!(view.claims.census()[&pool()].quarantined, 1);
}

#[tokio::test]
async fn an_etcd_that_restarts_is_followed_again_and_what_was_missed_is_made_up_for() {
    let mut etcd = TestEtcd::start().unwrap();
    let sidecars = Sidecars::of(&etcd).await;
    let mut view = View::of(&etcd).await;
    sidecars.claim("u1", "Denali", LONG).await;
    view.until("the first claim", |view| view.name("u1").is_some()).await;
    etcd.kill();
    view.until("the outage", |view| view.blind).await;
    assert_eq!(view.name("u1").as_deref(), Some("Denali"), "silence proves nothing");
    etcd.restart().unwrap();
    sidecars.claim("u2", "MtLogan", LONG).await;
    view.until("the second claim", |view| view.name("u2").is_some()).await;
    assert!(!view.blind);
    assert_eq!(view.name("u1").as_deref(), Some("Denali"));
}
