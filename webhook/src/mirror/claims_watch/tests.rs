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

    /// A view whose lists have one key in each page. No page is read before the one before the last one was taken.
    async fn of_small_pages(etcd: &TestEtcd) -> Self {
        let etcd = Arc::new(connect(etcd).await);
        let (sender, updates) = mpsc::channel(1);
        tokio::spawn(async move { follow_in_pages(&etcd, &sender, 1).await });
        Self { claims: Claims::default(), updates, blind: true }
    }

    /// Takes updates up to the first page that has a slot.
    async fn until_first_slot(&mut self) {
        self.until("the first slot", |view| {
            view.claims.paths().any(|(_, keys)| !keys.slots.is_empty())
        })
        .await;
        assert!(self.blind, "the list goes on");
    }

    async fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let following = async {
            while !condition(self) {
                match self.updates.recv().await.expect("the claims_watch goes on for ever") {
                    Update::Listing => {
                        self.claims.clear();
                        self.blind = true;
                    }
                    Update::Page(keys) => self.claims.add(&keys),
                    Update::Listed => self.blind = false,
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
    // Connections of before the restart may still break.
    Sidecars::of(&etcd).await.claim("u2", "MtLogan", LONG).await;
    view.until("the second claim", |view| !view.blind && view.name("u2").is_some()).await;
    assert_eq!(view.name("u1").as_deref(), Some("Denali"));
}

/// Names in the order of their keys; each has four keys.
const NAMES: [&str; 4] = ["Denali", "Elbert", "MtLogan", "Rainier"];

#[tokio::test]
async fn what_changes_during_a_list_is_seen_after_it() {
    let etcd = TestEtcd::start().unwrap();
    let sidecars = Sidecars::of(&etcd).await;
    let mut own = Vec::new();
    for (uid, name) in ["u0", "u1", "u2", "u3"].into_iter().zip(NAMES) {
        own.push(sidecars.claim(uid, name, LONG).await);
    }
    let mut view = View::of_small_pages(&etcd).await;
    view.until_first_slot().await;
    // One claim that was read already, and one that was not, and one that comes.
    sidecars.release("u0", NAMES[0], own[0], LONG, WaitsFor::Time).await;
    sidecars.release("u3", NAMES[3], own[3], LONG, WaitsFor::Time).await;
    sidecars.claim("u4", "Whitney", LONG).await;
    view.until("the end of the list", |view| !view.blind).await;
    let held = |view: &View| ["u0", "u1", "u2", "u3", "u4"].map(|uid| view.name(uid).is_some());
    assert_eq!(held(&view), [true, true, true, true, false], "as it was when the list began");
    view.until("what has changed", |view| held(view) == [false, true, true, false, true]).await;
}

#[tokio::test]
async fn a_list_whose_revision_is_compacted_begins_again() {
    let etcd = TestEtcd::start().unwrap();
    let sidecars = Sidecars::of(&etcd).await;
    for (uid, name) in ["u0", "u1", "u2", "u3"].into_iter().zip(NAMES) {
        sidecars.claim(uid, name, LONG).await;
    }
    let mut view = View::of_small_pages(&etcd).await;
    view.until_first_slot().await;
    let revision = sidecars.claim("u4", "Whitney", LONG).await;
    etcd.compact(revision).await.unwrap();
    view.until("a list with all claims", |view| !view.blind).await;
    assert!(["u0", "u1", "u2", "u3", "u4"].iter().all(|uid| view.name(uid).is_some()));
}
