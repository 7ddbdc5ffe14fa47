//! Owners of shards and of the leadership: C4 to C7 and the leader's value. Each compare has a case in which only it is
//! false.

use cairn_core::coordination::map::Shard;
use cairn_core::coordination::owner::{Grant, Granted, Ownable};
use cairn_core::coordination::picture::{Change, Revised};
use cairn_core::coordination::write::{How, MOST_CHANGES, OwnerChange, WriteAnswer, WriteKind};
use cairn_store::Kv;

use crate::fixture::Fixture;
use crate::group::{Pod, leader, record, refused, shard, shows};
use crate::sessions::compares_the_epoch;

/// C2 by another process, or by this one in a write whose answer is still to come.
async fn moves_its_record<K: Kv + Clone + 'static>(pod: &Pod<K>) -> i64 {
    let record = Box::new(record(&pod.uid));
    pod.commits(WriteKind::Update { lease: pod.lease, record, mine: pod.mine }).await
}

/// The write is refused, and this is the owner then.
async fn leaves_the_owner<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
    pod: &Pod<K>,
    kind: WriteKind,
    of: Ownable,
    owner: Option<&Granted>,
) {
    let seen = refused(pod.send(kind).await);
    shows(&seen, &Change::Owner(of, owner.cloned()));
    assert_eq!(fixture.picture().await.owner(of), owner);
}

fn at(grant: Grant, revision: i64) -> Granted {
    Granted { grant: grant.into(), revision }
}

pub(crate) async fn c4_takes_only_a_free_shard_of_the_map_that_was_seen<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let [one, two] = [fixture.pod("u1").await, fixture.pod("u2").await];
    let map = one.session;
    let claim = |pod: &Pod<K>, map| {
        pod.owners(vec![shard(3, How::Claim { grant: pod.grant(), map: Some(map) })])
    };
    compares_the_epoch(fixture, &one, claim(&one, map)).await;
    let three = Ownable::Shard(3);
    leaves_the_owner(fixture, &one, claim(&one, map - 1), three, None).await;
    let fence = one.claims([3], map).await;
    let owned = at(one.grant(), fence);
    leaves_the_owner(fixture, &two, claim(&two, map), three, Some(&owned)).await;
    // A late claim of a process that has drained meanwhile.
    let late = claim(&two, map);
    fixture.delete(&crate::group::group().owner(three)).await;
    moves_its_record(&two).await;
    leaves_the_owner(fixture, &two, late, three, None).await;
    // The leadership has no map.
    let lead =
        |pod: &Pod<K>| pod.owners(vec![leader(How::Claim { grant: pod.grant(), map: None })]);
    let fence = one.commits(lead(&one)).await;
    let picture = fixture.picture().await;
    assert_eq!(picture.leader, Some(at(one.grant(), fence)));
    let leads = picture.leader.as_ref();
    leaves_the_owner(fixture, &one, lead(&one), Ownable::Leader, leads).await;
}

pub(crate) async fn c5_gives_only_what_is_still_ours_to_a_session_that_lives<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let [one, two] = [fixture.pod("u1").await, fixture.pod("u2").await];
    let three = Ownable::Shard(3);
    let fence = one.claims([3], one.session).await;
    let give = |fence, to| one.owners(vec![shard(3, How::HandOver { fence, to })]);
    compares_the_epoch(fixture, &one, give(fence, two.grant())).await;
    let owned = at(one.grant(), fence);
    leaves_the_owner(fixture, &one, give(fence - 1, two.grant()), three, Some(&owned)).await;
    // To ourselves: a new fence.
    let fence = one.commits(give(fence, one.grant())).await;
    let owned = at(one.grant(), fence);
    // The recipient has left, and is back with another session.
    two.commits(WriteKind::Leave { mine: two.mine }).await;
    let late = give(fence, two.grant());
    leaves_the_owner(fixture, &one, late.clone(), three, Some(&owned)).await;
    let two = fixture.pod("u2").await;
    leaves_the_owner(fixture, &one, late, three, Some(&owned)).await;
    // A process of ours from before lets its own copy land after its successor has resumed.
    let late = give(fence, two.grant());
    let mine = moves_its_record(&one).await;
    leaves_the_owner(fixture, &one, late, three, Some(&owned)).await;
    let given = WriteKind::Owners {
        mine,
        changes: vec![shard(3, How::HandOver { fence, to: two.grant() })],
    };
    let fence = one.commits(given).await;
    assert_eq!(*fixture.picture().await.shards.get(&3).unwrap(), at(two.grant(), fence));
}

pub(crate) async fn c6_takes_only_the_grant_that_was_seen_from_an_ended_session<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let [one, two, three] =
        [fixture.pod("u1").await, fixture.pod("u2").await, fixture.pod("u3").await];
    let of = Ownable::Shard(3);
    let seen = one.claims([3], one.session).await;
    one.commits(WriteKind::Leave { mine: one.mine }).await;
    let take =
        |pod: &Pod<K>, seen| pod.owners(vec![shard(3, How::TakeOver { seen, grant: pod.grant() })]);
    compares_the_epoch(fixture, &two, take(&two, seen)).await;
    let fence = three.commits(take(&three, seen)).await;
    let owned = at(three.grant(), fence);
    leaves_the_owner(fixture, &two, take(&two, seen), of, Some(&owned)).await;
    let late = take(&two, fence);
    moves_its_record(&two).await;
    leaves_the_owner(fixture, &two, late, of, Some(&owned)).await;
}

pub(crate) async fn c7_frees_only_the_grant_that_was_seen<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let of = Ownable::Shard(3);
    let fence = one.claims([3], one.session).await;
    let free = |fence| one.owners(vec![shard(3, How::Free { fence })]);
    compares_the_epoch(fixture, &one, free(fence)).await;
    let owned = at(one.grant(), fence);
    leaves_the_owner(fixture, &one, free(fence - 1), of, Some(&owned)).await;
    let late = free(fence);
    let mine = moves_its_record(&one).await;
    leaves_the_owner(fixture, &one, late, of, Some(&owned)).await;
    one.commits(WriteKind::Owners { mine, changes: vec![shard(3, How::Free { fence })] }).await;
    assert!(fixture.picture().await.shards.is_empty());
}

pub(crate) async fn sixty_owners_change_in_one_transaction_or_none<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let shards = 0..Shard::try_from(MOST_CHANGES).unwrap();
    let fence = one.claims(shards.clone(), one.session).await;
    // Each to a member of its own: two compares for each.
    let mut others = Vec::new();
    for number in shards.clone() {
        others.push(fixture.pod(&format!("v{number}")).await);
    }
    let give = |last: i64| {
        let change = |(number, to): (Shard, &Pod<K>)| {
            let fence = if number == 59 { last } else { fence };
            shard(number, How::HandOver { fence, to: to.grant() })
        };
        one.owners(shards.clone().zip(&others).map(change).collect::<Vec<OwnerChange>>())
    };
    let seen = refused(one.send(give(fence - 1)).await);
    // Epoch, our record, and shard and recipient of each.
    assert_eq!(seen.changes.len(), 2 + 2 * MOST_CHANGES);
    assert!(fixture.picture().await.shards.values().all(|owned| owned.grant.uid == "u1"));
    let fence = one.commits(give(fence)).await;
    let picture = fixture.picture().await;
    assert_eq!(picture.shards.len(), MOST_CHANGES);
    for (number, owned) in &picture.shards {
        assert_eq!((&owned.grant.uid, owned.revision), (&format!("v{number}"), fence));
    }
}

pub(crate) async fn only_the_leader_puts_its_value_over_the_one_it_has_seen<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let [one, two] = [fixture.pod("u1").await, fixture.pod("u2").await];
    let put =
        |fence, seen, value: &str| WriteKind::LeaderValue { fence, seen, value: value.into() };
    refused(one.send(put(1, 0, "a")).await);
    let fence =
        one.commits(one.owners(vec![leader(How::Claim { grant: one.grant(), map: None })])).await;
    compares_the_epoch(fixture, &one, put(fence, 0, "a")).await;
    refused(one.send(put(fence - 1, 0, "a")).await);
    let first = one.commits(put(fence, 0, "a")).await;
    let stands = Revised { value: b"a".to_vec(), revision: first };
    let seen = refused(one.send(put(fence, 0, "b")).await);
    shows(&seen, &Change::LeaderValue(Some(stands.clone())));
    // A late copy of the former leader's value.
    let late = put(fence, first, "b");
    let give = leader(How::HandOver { fence, to: two.grant() });
    let fence = one.commits(one.owners(vec![give])).await;
    let seen = refused(one.send(late).await);
    shows(&seen, &Change::Owner(Ownable::Leader, Some(at(two.grant(), fence))));
    assert_eq!(fixture.picture().await.leader_value, Some(stands));
    two.commits(put(fence, first, "c")).await;
}

pub(crate) async fn a_session_that_etcd_ends_early_loses_its_record_and_no_shard<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let fence = one.claims([3, 4], one.session).await;
    let lead = one.owners(vec![leader(How::Claim { grant: one.grant(), map: None })]);
    one.commits(lead).await;
    fixture.store.revoke(one.lease).await.unwrap();
    let picture = fixture.picture().await;
    assert!(picture.members.is_empty());
    assert_eq!(picture.shards.keys().copied().collect::<Vec<_>>(), [3, 4]);
    assert_eq!(picture.leader.unwrap().grant.uid, "u1");
    assert!(picture.map.is_some());
    // The pod joins again, and takes its own shards at once.
    let again = fixture.pod("u1").await;
    let take = How::TakeOver { seen: fence, grant: again.grant() };
    again.commits(again.owners(vec![shard(3, take.clone()), shard(4, take)])).await;
}

pub(crate) async fn a_repeated_write_lands_once_and_is_refused_with_what_it_did<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let [one, two] = [fixture.pod("u1").await, fixture.pod("u2").await];
    let claim =
        one.owners(vec![shard(3, How::Claim { grant: one.grant(), map: Some(one.session) })]);
    let fence = one.commits(claim.clone()).await;
    let own = Change::Owner(Ownable::Shard(3), Some(at(one.grant(), fence)));
    shows(&refused(one.send(claim).await), &own);
    let give = one.owners(vec![shard(3, How::HandOver { fence, to: two.grant() })]);
    let fence = one.commits(give.clone()).await;
    let given = Change::Owner(Ownable::Shard(3), Some(at(two.grant(), fence)));
    shows(&refused(one.send(give).await), &given);
    let free = two.owners(vec![shard(3, How::Free { fence })]);
    two.commits(free.clone()).await;
    shows(&refused(two.send(free).await), &Change::Owner(Ownable::Shard(3), None));
    let leave = WriteKind::Leave { mine: one.mine };
    one.commits(leave.clone()).await;
    shows(&refused(one.send(leave).await), &Change::Member("u1".into(), None));
    let join = crate::group::join("u1", one.lease);
    let WriteAnswer::Committed { revision } = one.send(join.clone()).await else { panic!() };
    let member = fixture.picture().await.members.get("u1").unwrap().as_ref().clone();
    assert_eq!(member.session.revision, revision);
    shows(&refused(one.send(join).await), &Change::Member("u1".into(), Some(Box::new(member))));
}
