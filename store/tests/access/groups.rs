//! Coordination with a namespace's certificate: its own groups, and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::path::{GroupKey, HOLD};
use cairn_core::coordination::write::WriteKind;
use cairn_core::keys;
use cairn_core::time::{BootInstant, UnixMillis};
use cairn_store::coordination::Watch;
use cairn_store::{Batch, Coordination, Kv, Op, Store};
use futures::StreamExt;

use crate::group::{group, join, write};
use crate::office::{Office, is_denied, put};

#[tokio::test]
async fn another_namespaces_group_is_neither_read_nor_written_nor_watched() {
    let office = Office::open().await;
    let fixture = office.fixture().await;
    let pod = fixture.pod("u1").await;
    pod.claims([3], pod.session).await;
    let before = fixture.picture().await;

    let intruder = Store::new(Arc::clone(&office.bar));
    let coordination = Coordination::new(Arc::new(intruder.clone()), group(), "u1");
    is_denied("C0", coordination.read(true).await);
    is_denied("C0 without shards", coordination.read(false).await);
    is_denied("a renewal", coordination.renew(BootInstant::default(), None).await);
    let (lease, _) = office.bar.grant(Duration::from_secs(60)).await.unwrap();
    for kind in [join("u9", lease), WriteKind::Leave { mine: pod.mine }] {
        is_denied("a write", coordination.write(&write("u1", kind)).await);
    }
    is_denied("C10", intruder.drop_member(&group(), "u1", UnixMillis(0)).await);
    is_denied("cleaning", intruder.clean_group(&group()).await);
    let watch = Watch { from: 1, shards: true, progress: Duration::from_secs(1), elsewhere: false };
    is_denied("a watch", Box::pin(coordination.watch(watch)).next().await.unwrap());
    let keys = [GroupKey::Map, GroupKey::Leader, GroupKey::Member("u1".into()), GroupKey::Shard(3)];
    for key in keys {
        let key = group().key(&key);
        is_denied(&key, office.bar.get(&key).await);
        is_denied(&key, office.bar.read(put(&key, 0)).await);
        is_denied(&key, office.bar.read(Batch::from(vec![Op::Delete(key.clone())])).await);
    }
    assert_eq!(fixture.picture().await.members, before.members);
    assert_eq!(fixture.picture().await.shards, before.shards);
}

#[tokio::test]
async fn a_namespaces_user_reads_hold_and_epoch_and_writes_neither() {
    let office = Office::open().await;
    office.root.read(put(HOLD, 0)).await.unwrap();
    for key in [HOLD, keys::EPOCH] {
        let before = office.get(key).await;
        assert!(before.is_some());
        assert_eq!(office.shop.get(key).await.unwrap(), before, "{key}");
        is_denied(key, office.shop.read(put(key, 0)).await);
        is_denied(key, office.shop.read(Batch::from(vec![Op::Delete(key.to_owned())])).await);
        assert_eq!(office.get(key).await, before, "{key}");
    }
    let pods = Store::new(Arc::clone(&office.shop));
    is_denied("the first step", pods.define_coordination(9, Duration::from_secs(8)).await);
}
