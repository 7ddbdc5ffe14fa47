use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use serde_json::{Value, json};

use super::waits::{Blocked, Standing, Wait, not_eligible};
use super::*;

const GROUP: &str = "/cairn/v1/ns/shop/g/checkout/";

fn key(key: &str, value: &Value, create_revision: i64) -> KeyValue {
    KeyValue {
        key: format!("{GROUP}{key}"),
        value: value.to_string().into_bytes(),
        create_revision,
        mod_revision: create_revision + 100,
        lease: 7,
    }
}

fn member(uid: &str, revision: i64, state: &str, shards: u32) -> KeyValue {
    let record = json!({
        "pod": format!("pod-{uid}"), "admitted": 0, "state": state, "weight": 100,
        "roles": ["shards", "leader"], "map": {"shards": shards, "hash": "xxh64"},
        "validity_ms": 10_000, "nonce": "n", "plan": 1,
    });
    key(&format!("m/{uid}"), &record, revision)
}

fn grant(what: &str, uid: &str, epoch: i64, revision: i64) -> KeyValue {
    let session = json!({"epoch": epoch, "revision": revision});
    key(what, &json!({"uid": uid, "session": session, "validity_ms": 10_000}), 50)
}

fn epoch() -> KeyValue {
    KeyValue { key: keys::EPOCH.to_owned(), value: b"5".to_vec(), ..key("", &Value::Null, 1) }
}

fn hold() -> KeyValue {
    KeyValue { key: HOLD.to_owned(), ..key("", &json!({}), 2) }
}

fn map() -> KeyValue {
    key("c", &json!({"shards": 16, "hash": "xxh64"}), 3)
}

fn view(keys: &[KeyValue]) -> GroupView {
    let groups = Groups::read(keys);
    assert_eq!(groups.errors, Vec::<String>::new());
    groups.groups.into_values().next().unwrap()
}

fn wait(view: &GroupView, shard: u32) -> (Standing, Option<Blocked>) {
    let Wait { standing, blocked } = Wait::of(view, Ownable::Shard(shard));
    (standing, blocked)
}

#[test]
fn what_a_shard_waits_for_follows_from_its_owner_and_the_members() {
    let mut keys = vec![
        epoch(),
        map(),
        member("a", 10, "participant", 16),
        member("b", 11, "draining", 16),
        grant("s/00000", "a", 5, 10),
        grant("s/00001", "b", 5, 11),
        grant("s/00002", "gone", 5, 9),
        grant("s/00003", "a", 5, 8),
        grant("s/00004", "gone", 4, 9),
    ];
    let delay = Standing::Ended(Duration::from_nanos(12_222_222_223));
    let found = view(&keys);
    assert_eq!(wait(&found, 0), (Standing::Owned, None));
    assert_eq!(wait(&found, 1), (Standing::Draining, None));
    assert_eq!(wait(&found, 2), (delay.clone(), None));
    assert_eq!(wait(&found, 3), (Standing::Back, None));
    assert_eq!(wait(&found, 4), (Standing::OtherEpoch, None));
    assert_eq!(wait(&found, 5), (Standing::Free, None));
    let reason = Wait::of(&found, Ownable::Shard(2)).reason();
    assert_eq!(reason.as_deref(), Some("its owner's session has ended: it waits at most 12.3s"));
    keys.push(hold());
    let held = view(&keys);
    assert_eq!(wait(&held, 2), (delay, Some(Blocked::Hold)));
    assert_eq!(wait(&held, 0), (Standing::Owned, None));
    assert_eq!(Wait::of(&held, Ownable::Shard(2)).at_most(), None);
}

#[test]
fn a_shard_waits_while_no_member_may_own_it() {
    let viewer = view(&[epoch(), map(), member("a", 10, "viewer", 16)]);
    assert_eq!(wait(&viewer, 0), (Standing::Free, Some(Blocked::NobodyEligible)));
    let other = view(&[epoch(), map(), member("a", 10, "participant", 32)]);
    assert_eq!(wait(&other, 0), (Standing::Free, Some(Blocked::OtherMap)));
    // The leadership has no map.
    assert_eq!(Wait::of(&other, Ownable::Leader).blocked, None);
    let record = &other.picture.members.get("a").unwrap().record;
    assert_eq!(
        not_eligible(&other.picture, record).as_deref(),
        Some("waits for the end of the map in force, 16 shards by xxh64")
    );
}

#[test]
fn shards_count_for_the_session_that_owns_them() {
    let found = view(&[
        epoch(),
        member("a", 10, "participant", 16),
        grant("s/00000", "a", 5, 10),
        grant("s/00001", "a", 5, 9),
        grant("l", "a", 5, 10),
    ]);
    assert_eq!((found.owned("a"), found.leads("a")), (1, true));
}

#[test]
fn a_record_that_cannot_be_read_is_reported_and_hides_nothing_else() {
    let groups = Groups::read(&[
        epoch(),
        key("m/a", &json!({}), 1),
        key("s/00001", &json!("x"), 1),
        key("s/1", &json!("not of a group"), 1),
        member("b", 2, "viewer", 16),
    ]);
    assert_eq!(groups.errors.len(), 2, "{:?}", groups.errors);
    assert_eq!(groups.groups.values().next().unwrap().picture.members.len(), 1);
}

#[test]
fn a_member_is_found_by_pod_or_uid_where_only_one_fits() {
    let elsewhere = |mut key: KeyValue| {
        key.key = key.key.replace("/shop/", "/bank/");
        key
    };
    let mut groups = Groups::read(&[
        epoch(),
        member("a", 1, "viewer", 16),
        member("b", 2, "viewer", 16),
        elsewhere(member("a", 3, "viewer", 16)),
    ]);
    assert_eq!(groups.member("pod-b").unwrap().1, "b");
    assert_eq!(groups.member("b").unwrap().1, "b");
    assert!(groups.member("pod-c").unwrap_err().starts_with("no member is called 'pod-c'"));
    assert!(groups.member("pod-a").unwrap_err().contains("choose one with --namespace"));
    assert!(groups.only().is_err());
    groups.select(&Selection { namespace: Some("bank".to_owned()), group: None });
    assert_eq!(groups.member("pod-a").unwrap().0.namespace, "bank");
    assert!(groups.only().is_ok());
}
