use cairn_core::coordination::map::KeyHash;
use cairn_core::coordination::member::SessionId;
use cairn_core::coordination::validity::Validity;

use super::*;

fn path() -> GroupPath {
    GroupPath { namespace: "shop".into(), group: "checkout".parse().unwrap() }
}

fn pod(uid: &str) -> PodId {
    PodId { namespace: "shop".into(), uid: uid.into() }
}

fn put(key: String, value: Vec<u8>) -> Change {
    Change::Put(KeyValue { key, value, create_revision: 1, mod_revision: 1, lease: 0 })
}

fn member(uid: &str, state: MemberState) -> Change {
    let record = serde_json::json!({
        "pod": uid, "admitted": 0, "state": state, "weight": 100, "roles": ["shards"],
        "validity_ms": 10_000, "nonce": "n", "plan": 1,
    });
    put(path().member(uid), record.to_string().into_bytes())
}

fn owner(of: Ownable, uid: &str) -> Change {
    let grant =
        Grant { uid: uid.into(), session: SessionId::default(), validity_ms: Validity::DEFAULT };
    put(path().owner(of), serde_json::to_vec(&grant).unwrap())
}

fn map(shards: u32) -> Change {
    let map = ShardMap { shards, hash: KeyHash::Xxh64 };
    put(path().key(&GroupKey::Map), serde_json::to_vec(&map).unwrap())
}

fn list(members: &mut Members, keys: &[KeyValue], now: Instant) {
    members.clear();
    members.add(keys, now);
    members.complete();
}

fn keys(changes: Vec<Change>) -> Vec<KeyValue> {
    let put = |change| match change {
        Change::Put(found) => Some(found),
        Change::Delete(_) => None,
    };
    changes.into_iter().filter_map(put).collect()
}

#[tokio::test]
async fn a_member_stands_with_its_state_its_shards_and_its_leadership() {
    let now = Instant::now();
    let mut members = Members::default();
    list(
        &mut members,
        &keys(vec![
            map(3),
            member("a", MemberState::Participant),
            owner(Ownable::Shard(0), "a"),
            owner(Ownable::Shard(1), "gone"),
            owner(Ownable::Leader, "a"),
        ]),
        now,
    );
    let a = members.standing(&pod("a")).unwrap();
    assert_eq!((a.state, a.shards, a.leader), (MemberState::Participant, Some(1), true));
    assert_eq!(members.standing(&pod("gone")), None);
    let other = PodId { namespace: "other".into(), uid: "a".into() };
    assert_eq!(members.standing(&other), None, "a group belongs to its namespace");
    let totals =
        Totals { groups: 1, participants: 1, owned: 1, orphaned: 1, free: 1, ..Totals::default() };
    assert_eq!(members.totals(), totals);
}

#[tokio::test]
async fn both_owners_of_a_hand_over_are_touched_and_a_change_of_leader_is_counted() {
    let now = Instant::now();
    let mut members = Members::default();
    let both = ["a", "b"].map(|uid| member(uid, MemberState::Participant));
    members.apply(&both, now);
    members.apply(&[owner(Ownable::Shard(0), "a"), owner(Ownable::Leader, "a")], now);
    let touched = members.apply(&[owner(Ownable::Shard(0), "b")], now);
    assert_eq!(touched, BTreeSet::from([pod("a"), pod("b")]));
    assert_eq!(members.standing(&pod("a")).unwrap().shards, Some(0));
    assert_eq!(members.standing(&pod("b")).unwrap().shards, Some(1));
    assert_eq!(members.leader_changes(), 0);
    members.apply(&[owner(Ownable::Leader, "b")], now);
    assert_eq!(members.leader_changes(), 1);
}

#[tokio::test]
async fn a_drain_counts_from_its_begin_while_somebody_else_could_take() {
    let now = Instant::now();
    let later = now + Duration::from_secs(9);
    let mut members = Members::default();
    let draining = || member("a", MemberState::Draining);
    members.apply(&[draining(), owner(Ownable::Shard(0), "a")], now);
    assert_eq!(members.standing(&pod("a")).unwrap().drains, None, "nobody is eligible");
    members.apply(&[draining(), member("b", MemberState::Participant)], later);
    let (since, limit) = members.standing(&pod("a")).unwrap().drains.unwrap();
    assert_eq!((since, limit.as_secs()), (now, 22));
    // A list that breaks off, and another one.
    members.clear();
    let listed = [draining(), member("b", MemberState::Participant), owner(Ownable::Shard(0), "a")];
    list(&mut members, &keys(listed.into()), later);
    assert_eq!(members.standing(&pod("a")).unwrap().drains.unwrap().0, now, "after a list");
    members.apply(&[owner(Ownable::Shard(0), "b")], later);
    assert_eq!(members.standing(&pod("a")).unwrap().drains, None);
}

#[tokio::test]
async fn a_group_is_dead_an_hour_after_its_last_member_and_gone_with_its_last_key() {
    let begun = Instant::now();
    let mut members = Members::default();
    members
        .apply(&[map(1), member("a", MemberState::Viewer), owner(Ownable::Shard(0), "a")], begun);
    assert_eq!(members.dead(begun + DEAD_AFTER * 2), []);
    let left = begun + DEAD_AFTER;
    members.apply(&[Change::Delete(path().member("a"))], left);
    let rest = keys(vec![map(1), owner(Ownable::Shard(0), "a")]);
    list(&mut members, &rest, left + DEAD_AFTER / 2);
    assert_eq!(members.dead(left + DEAD_AFTER / 2), []);
    assert_eq!(members.dead(left + DEAD_AFTER), [path()]);
    let rest = [path().owner(Ownable::Shard(0)), path().key(&GroupKey::Map)];
    members.apply(&rest.map(Change::Delete), left + DEAD_AFTER);
    assert_eq!(members.totals(), Totals::default());
}
