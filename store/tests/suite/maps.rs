//! Reads of a group, C9, and the removal of what a dead group leaves.

use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_core::coordination::member::MemberState;
use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::path::GroupKey;
use cairn_core::coordination::picture::{Change, Picture, Revised};
use cairn_core::coordination::write::{How, WriteKind};
use cairn_core::keys;
use cairn_store::coordination::Cleaned;
use cairn_store::{Class, Coordination, Kv, Store};

use crate::fixture::Fixture;
use crate::group::{EPOCH, MAP, group, leader, record, refused, shard, shows};
use crate::interfering::Interfering;
use crate::sessions::compares_the_epoch;

const LARGER: ShardMap = ShardMap { shards: 32, hash: KeyHash::Xxh64 };

pub(crate) async fn an_empty_group_and_an_empty_store_are_read<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    let empty = fixture.picture().await;
    assert_eq!(empty, Picture { revision: empty.revision, ..Picture::default() });
    fixture.put(keys::EPOCH, "soon").await;
    let other = fixture.picture().await;
    assert_eq!(other.epoch, Some(0), "of another version: an epoch in which nothing is written");
}

pub(crate) async fn a_read_without_shards_has_everything_else<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    one.claims([3], one.session).await;
    let all = fixture.picture().await;
    let few = one.coordination.read(false).await.unwrap();
    assert_eq!(few.shards.len(), 0);
    assert_eq!(Picture { shards: all.shards.clone(), ..few }, all);
}

pub(crate) async fn a_record_of_another_version_is_a_viewer_and_a_grant_is_an_error<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    fixture.put(&group().member("u1"), "?").await;
    let member = fixture.picture().await.members.get("u1").unwrap().as_ref().clone();
    assert_eq!((member.record.state, member.record.plan), (MemberState::Viewer, u32::MAX));
    assert!(member.session.revision > 0, "its session exists");
    fixture.put(&group().owner(Ownable::Shard(3)), "?").await;
    let error = fixture.coordination("u2").read(true).await.unwrap_err();
    assert_eq!(error.class(), Class::Denied, "{}", error.report());
    assert!(fixture.coordination("u2").read(false).await.is_ok());
}

pub(crate) async fn a_read_begins_again_when_its_revision_is_compacted<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    // More than one page.
    for first in (0..600).step_by(100) {
        let put = |number: usize| {
            let (key, value) = (group().member(&format!("u{number:03}")), record("u"));
            cairn_store::Op::put(key, serde_json::to_vec(&value).unwrap(), 0)
        };
        let puts: Vec<_> = (first..first + 100).map(put).collect();
        fixture.admin.kv().read(puts.into()).await.unwrap();
    }
    let before = fixture.picture().await.revision;
    let second_page = Interfering::on_a_later_page(fixture.store.kv().clone());
    let coordination =
        Coordination::new(std::sync::Arc::new(Store::new(second_page.clone())), group(), "u");
    let compacting = async {
        fixture.put(&group().member("u000"), "{}").await;
        fixture.compact().await;
    };
    let (read, ()) =
        futures::join!(coordination.read(true), second_page.interfere_with(compacting));
    let read = read.unwrap();
    assert_eq!(read.members.len(), 600);
    assert!(read.revision > before, "at a revision of its own");
}

pub(crate) async fn c9_puts_a_map_only_over_the_one_seen_while_no_shard_has_an_owner<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let resize = |seen| WriteKind::Resize { seen, map: LARGER };
    compares_the_epoch(fixture, &one, resize(one.session)).await;
    let map = Revised { value: MAP, revision: one.session };
    shows(&refused(one.send(resize(one.session - 1)).await), &Change::Map(Some(map.clone())));
    let fence = one.claims([7], one.session).await;
    let seen = refused(one.send(resize(one.session)).await);
    let owned = fixture.picture().await.shards.get(&7).unwrap().clone();
    shows(&seen, &Change::Owner(Ownable::Shard(7), Some(owned)));
    assert_eq!(fixture.picture().await.map, Some(map));
    one.commits(one.owners(vec![shard(7, How::Free { fence })])).await;
    let revision = one.commits(resize(one.session)).await;
    assert_eq!(fixture.picture().await.map, Some(Revised { value: LARGER, revision }));
    // A late claim of the former map.
    let claim = How::Claim { grant: one.grant(), map: Some(one.session) };
    refused(one.send(one.owners(vec![shard(7, claim)])).await);
}

pub(crate) async fn a_dead_group_leaves_nothing<K: Kv + Clone + 'static>(fixture: &Fixture<K>) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    one.claims(0..60, one.session).await;
    one.claims(60..100, one.session).await;
    let lead = leader(How::Claim { grant: one.grant(), map: None });
    let fence = one.commits(one.owners(vec![lead])).await;
    one.commits(WriteKind::LeaderValue { fence, seen: 0, value: b"a".to_vec() }).await;
    let clean = async || fixture.admin.clean_group(&group()).await.unwrap();
    let unchanged = async |what: &str| {
        assert_eq!(clean().await, Cleaned::InUse, "{what}");
        assert_eq!(fixture.picture().await.shards.len(), 100, "{what}");
    };
    unchanged("it has a member").await;
    one.commits(WriteKind::Leave { mine: one.mine }).await;
    fixture.put("/cairn/v1/hold/-coordinate", "{}").await;
    unchanged("a hold exists").await;
    fixture.delete("/cairn/v1/hold/-coordinate").await;
    fixture.delete(keys::EPOCH).await;
    unchanged("there is no epoch").await;
    fixture.put(keys::EPOCH, &EPOCH.to_string()).await;
    assert_eq!(clean().await, Cleaned::Yes);
    assert_eq!(fixture.admin.kv().read_all(group().to_string()).await.unwrap(), []);
    assert_eq!(clean().await, Cleaned::Yes, "again");
}

pub(crate) async fn a_group_that_comes_back_while_it_is_removed_stays<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let clean = async |change: &str, value: Option<&str>| {
        let kv = Interfering::on_a_deletion(fixture.admin.kv().clone());
        let store = Store::new(kv.clone());
        let path = group();
        let changing = async {
            match value {
                Some(value) => fixture.put(change, value).await,
                None => fixture.delete(change).await,
            }
        };
        futures::join!(store.clean_group(&path), kv.interfere_with(changing)).0.unwrap()
    };
    one.claims([3], one.session).await;
    one.commits(WriteKind::Leave { mine: one.mine }).await;
    // While an owner is deleted: a member, another grant, another epoch.
    let grant = serde_json::to_string(&one.grant()).unwrap();
    let (member, owner) = (group().member("u2"), group().owner(Ownable::Shard(3)));
    for (key, value) in [(&member, "{}"), (&owner, grant.as_str()), (&keys::EPOCH.to_owned(), "6")]
    {
        assert_eq!(clean(key, Some(value)).await, Cleaned::InUse, "{key}");
        assert!(fixture.get(&owner).await.is_some(), "{key}");
        fixture.delete(&member).await;
    }
    fixture.put(keys::EPOCH, &EPOCH.to_string()).await;
    fixture.delete(&owner).await;
    // While the map is deleted.
    let map = group().key(&GroupKey::Map);
    let lead = group().key(&GroupKey::Leader);
    for key in [&member, &owner, &lead] {
        assert_eq!(clean(key, Some(&grant)).await, Cleaned::InUse, "{key}");
        assert!(fixture.get(&map).await.is_some(), "{key}");
        fixture.delete(key).await;
    }
    assert_eq!(clean(keys::EPOCH, None).await, Cleaned::InUse, "no epoch");
    assert!(fixture.get(&map).await.is_some());
}

pub(crate) async fn a_member_that_joins_again_while_it_is_dropped_is_dropped<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    fixture.pod("u1").await;
    let kv = Interfering::on_a_deletion(fixture.admin.kv().clone());
    let store = Store::new(kv.clone());
    let path = group();
    let (me, value) = (path.member("u1"), serde_json::to_string(&record("u1")).unwrap());
    let joining_again = async {
        fixture.delete(&me).await;
        fixture.put(&me, &value).await;
    };
    let dropping = store.drop_member(&path, "u1", cairn_core::time::UnixMillis(1));
    let (dropped, ()) = futures::join!(dropping, kv.interfere_with(joining_again));
    assert!(dropped.unwrap().is_some());
    assert!(fixture.picture().await.members.is_empty());
}
