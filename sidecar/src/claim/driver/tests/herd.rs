//! The number of writes of a claim when many pods claim at once.

use super::*;

/// 3 for each pod that went through the queue and 2 for the first; the rest is for failed attempts after a late read.
const WRITES_PER_CLAIM: f64 = 3.2;

fn per_claim(writes: u64, claims: usize) -> f64 {
    f64::from(u32::try_from(writes).unwrap()) / f64::from(u32::try_from(claims).unwrap())
}

async fn names(herd: &mut [Sidecar]) -> Vec<String> {
    let mut names = Vec::new();
    for sidecar in herd {
        names.push(sidecar.reaches(ClaimState::Held).await.unwrap());
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn start(memory: &MemoryKv, count: usize) -> Vec<Sidecar> {
    (0..count).map(|n| Sidecar::start(memory, &format!("u{n}"), &[TEA])).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_pods_on_a_hundred_names_cost_three_writes_each() {
    for latency in [1, 5, 50] {
        local(async {
            let memory = MemoryKv::default();
            let store = Store::new(memory.clone());
            define(&store, 100, "Wait").await;
            memory.set_latency(Duration::from_millis(latency));
            let before = memory.writes();
            let mut herd = start(&memory, 100);
            assert_eq!(names(&mut herd).await.len(), 100);
            let cost = per_claim(memory.writes() - before, 100);
            assert!(cost <= WRITES_PER_CLAIM, "{cost} writes per claim at {latency} ms");
            assert_eq!(view(&store, "nobody").await.queued, 0);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_compaction_during_a_herd_adds_no_writes() {
    local(async {
        let memory = MemoryKv::default();
        let store = Store::new(memory.clone());
        define(&store, 60, "Wait").await;
        memory.set_latency(Duration::from_millis(5));
        let compacting = memory.clone();
        let compactor = spawn_local(async move {
            loop {
                compacting.compact();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let before = memory.writes();
        let mut herd = start(&memory, 60);
        assert_eq!(names(&mut herd).await.len(), 60);
        let cost = per_claim(memory.writes() - before, 60);
        assert!(cost <= WRITES_PER_CLAIM, "{cost} writes per claim");
        compactor.abort();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_herd_on_a_frozen_pool_waits_without_attempts_and_claims_at_its_end() {
    local(async {
        let memory = MemoryKv::default();
        let store = Store::new(memory.clone());
        define(&store, 40, "Wait").await;
        let tea: PoolName = TEA.parse().unwrap();
        let hold = cairn_core::keys::freeze(&tea);
        let put = cairn_store::Op::put(&hold, "", 0);
        store.kv().txn(cairn_store::Txn { then: vec![put], ..Default::default() }).await.unwrap();
        memory.set_latency(Duration::from_millis(5));
        let before = memory.writes();
        let mut herd = start(&memory, 40);
        tokio::time::sleep(Duration::from_secs(40)).await;
        let writes = memory.writes() - before;
        assert_eq!(writes, 80 + 2, "a lease and a ticket each; one of them starts the freeze");
        memory.delete(&hold);
        let freed = Instant::now();
        assert_eq!(names(&mut herd).await.len(), 40);
        let waited = freed.elapsed();
        assert!(waited < Duration::from_secs(1), "{waited:?}");
        let cost = per_claim(memory.writes() - before, 40);
        assert!(cost <= WRITES_PER_CLAIM, "{cost} writes per claim");
    })
    .await;
}
