//! R15: a keepalive is sent only when the read before it has answered. Where reads fail and keepalives pass, the record
//! has to end, so that others take over.

use std::time::Duration;

use cairn_core::lease::LeaseId;
use cairn_store::memory::{Fault, MemoryKv};
use cairn_store::{Class, Kv as _};
use tokio::time::sleep;

use crate::fixture::{Compactor, Fixture};
use crate::group::group;

/// V of the record's session; its lease has a TTL of a minute.
const V: Duration = Duration::from_secs(60);

/// A member renews for ten minutes, and every read fails. Answers whether its record is there in the end.
async fn outlasts(keepalive_follows_read: bool) -> bool {
    let memory = MemoryKv::default();
    let compactor = Compactor::Memory(memory.clone());
    let fixture = Fixture::new(memory.clone(), memory.clone(), compactor);
    fixture.begin_epoch().await;
    let pod = fixture.pod("u1").await;
    for _ in 0..30 {
        if !keepalive_follows_read {
            // The rule is left out: the keepalive goes beside the read.
            let _ = memory.keep_alive(pod.lease).await;
        }
        memory.inject(Fault::Refuse(Class::NotApplied));
        let lease: LeaseId = pod.lease;
        assert!(pod.coordination.renew(crate::group::now(), Some(lease)).await.is_err());
        sleep(V / 3).await;
    }
    memory.get(group().member("u1")).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn where_reads_fail_no_keepalive_is_sent_and_the_record_ends() {
    assert!(!outlasts(true).await);
}

#[tokio::test(start_paused = true)]
async fn keepalives_beside_reads_that_fail_would_keep_the_record_of_who_serves_nothing() {
    assert!(outlasts(false).await);
}
