use cairn_store::memory::Memory;
use cairn_store::{Kv as _, Op, Txn};
use serde_json::json;

use super::*;
use crate::pools::watched::Watched;

struct Nobody;

impl Holders for Nobody {
    async fn exist(&self) -> bool {
        false
    }
}

fn pools(names: &[&str]) -> Arc<Pools> {
    let object = PoolObject::new("teas", json!({"names": {"list": names}}));
    Arc::new(Pools::from([("teas".to_owned(), Watched::from(object))]))
}

async fn shows(progress: &mut watch::Receiver<Arc<Progress>>, outcome: &Outcome) {
    let teas = "teas".parse().unwrap();
    let reached = progress.wait_for(|progress| progress.get(&teas) == Some(outcome));
    tokio::time::timeout(Duration::from_mins(5), reached).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn specs_follow_the_pools_and_a_wiped_etcd_is_filled_again() {
    let store = Memory::default();
    let (change, seen) = watch::channel(None);
    let (progress, mut shown) = watch::channel(Arc::default());
    let writer = Writer::new(Store::new(store.clone()), Nobody);
    let task = tokio::spawn(write_specs(writer, seen, progress));
    change.send_replace(Some(pools(&["mint"])));
    shows(&mut shown, &Outcome::Defined).await;

    change.send_replace(Some(pools(&["mint", "assam"])));
    stored(&store, "assam").await;

    let wiped = ["/cairn/v1/epoch", "/cairn/v1/pools/teas"].map(|key| Op::Delete(key.into()));
    store.txn(Txn { then: wiped.into(), ..Txn::default() }).await.unwrap();
    stored(&store, "assam").await;
    task.abort();
}

/// Waits until the spec names it; time is virtual, so waiting costs nothing.
async fn stored(store: &Memory, name: &str) {
    let look = async {
        loop {
            let reply = store.txn(Txn::read(vec![Op::get("/cairn/v1/pools/teas")])).await.unwrap();
            let found = reply.key(0).map(|found| String::from_utf8(found.value.clone()).unwrap());
            if found.is_some_and(|found| found.contains(name)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(5), look).await.unwrap();
}
