//! What follows from keys, changes and answers.

use cairn_core::coordination::path::HOLD;
use cairn_core::pool::Pool;
use cairn_store::Error;
use cairn_store::etcd::{EndpointHealth, MemberStatus};
use serde_json::json;

use super::*;

const SHOP: &str = "/cairn/v1/ns/shop/c/mountains/-";
const NOW: UnixMillis = UnixMillis(1_000_000);

/// A key with this value.
pub(crate) fn key(key: &str, value: &Value, revision: i64) -> KeyValue {
    let value = value.to_string().into_bytes();
    KeyValue {
        key: key.to_owned(),
        value,
        create_revision: revision,
        mod_revision: revision,
        lease: 0,
    }
}

/// The keys of a group `ledger` of one shard, with members whose sessions have the revision 10. The epoch is 5.
pub(crate) fn group_keys(members: &[&str]) -> Vec<KeyValue> {
    let map = json!({"shards": 1, "hash": "xxh64"});
    let mut keys =
        vec![key(keys::EPOCH, &json!(5), 1), key("/cairn/v1/ns/shop/g/ledger/c", &map, 2)];
    for uid in members {
        let record = json!({
            "pod": format!("pod-{uid}"), "admitted": 0, "state": "participant", "weight": 100,
            "roles": ["shards"], "map": map, "validity_ms": 10_000, "nonce": "n", "plan": 1,
        });
        keys.push(key(&format!("/cairn/v1/ns/shop/g/ledger/m/{uid}"), &record, 10));
    }
    keys
}

fn holder(pod: &str) -> Value {
    json!({"namespace": "shop", "pod": pod, "uid": pod, "node": "node-1", "incarnation": 1,
        "nonce": "n", "since": 900_000, "validity_ms": 30_000, "quarantine_ms": 15_000})
}

fn pool() -> KeyValue {
    let pool = Pool::builtin(&"mountains".parse().unwrap()).unwrap();
    key("/cairn/v1/pools/mountains", &serde_json::from_str(&pool.to_json()).unwrap(), 1)
}

fn slot(name: &str, pod: &str, revision: i64) -> KeyValue {
    KeyValue { lease: 255, ..key(&format!("{SHOP}/s/{name}"), &holder(pod), revision) }
}

fn listed(keys: Vec<KeyValue>) -> Model {
    let mut model = Model::new(NOW);
    model.apply(Event::Listed(50, keys), NOW);
    model
}

fn health(status: Result<MemberStatus, Error>) -> Event {
    let endpoint =
        EndpointHealth { url: "http://a".to_owned(), status, took: std::time::Duration::ZERO };
    Event::Health(ClusterHealth {
        endpoints: vec![endpoint],
        members: Ok(Vec::new()),
        alarms: Ok(Vec::new()),
    })
}

#[test]
fn a_claim_and_its_release_are_small_changes() {
    let mut model = listed(vec![key(keys::EPOCH, &json!(5), 1), pool()]);
    let empty = model.view(NOW).0.after(&View::default());
    model.apply(Event::Changed(vec![Change::Put(slot("Denali", "pod-a", 60))]), NOW);
    let held = model.view(NOW).0.after(&empty);
    let changes = serde_json::to_value(held.changes(Some(empty.number()))).unwrap();
    let ids: Vec<&String> = changes["set"].as_object().unwrap().keys().collect();
    assert_eq!(ids, ["about", "slot/mountains/shop/-/Denali"], "the revision, and the claim");
    let claim = held.get("slot/mountains/shop/-/Denali").unwrap();
    assert_eq!(claim["state"], "held");
    assert_eq!(
        (&claim["pod"], &claim["fence"], &claim["index"]),
        (&json!("pod-a"), &json!("5-60"), &json!(0))
    );
    assert_eq!(claim["lease"], "ff", "in hexadecimal: it is too large for a number of JavaScript");

    model.apply(Event::Changed(vec![Change::Delete(format!("{SHOP}/s/Denali"))]), NOW);
    let free = model.view(NOW).0.after(&held);
    let changes = serde_json::to_value(free.changes(Some(held.number()))).unwrap();
    assert_eq!(changes["drop"], json!(["slot/mountains/shop/-/Denali"]));
}

#[test]
fn the_end_of_a_quarantine_is_asked_for_once_and_shown() {
    let mut resting = key(&format!("{SHOP}/x/Denali"), &json!(46), 60);
    resting.lease = 7;
    let mut model = listed(vec![pool(), resting]);
    assert_eq!(model.view(NOW).1, [7]);
    model.apply(Event::LeaseEnds(7, Some(UnixMillis(1_020_000))), NOW);
    let (view, unknown) = model.view(NOW);
    assert_eq!(unknown, Vec::<i64>::new());
    assert_eq!(view.get("slot/mountains/shop/-/Denali").unwrap()["until"], 1_020_000);
    model.apply(Event::Changed(vec![Change::Delete(format!("{SHOP}/x/Denali"))]), NOW);
    assert_eq!(model.view(NOW).0.ids("slot/"), Vec::<&str>::new());
    assert_eq!(model.ends.len(), 0, "what is known of leases does not grow");
}

#[test]
fn a_released_name_tells_who_had_it() {
    let mut record = holder("pod-a");
    record["fence"] = json!({"epoch": 5, "revision": 40});
    record["waits_for"] = json!("pod-end");
    let model = listed(vec![pool(), key(&format!("{SHOP}/x/Denali"), &record, 60)]);
    let (view, _) = { model }.view(NOW);
    let resting = view.get("slot/mountains/shop/-/Denali").unwrap();
    assert_eq!((&resting["state"], &resting["pod"]), (&json!("resting"), &json!("pod-a")));
    assert_eq!((&resting["fence"], &resting["waits_for"]), (&json!("5-40"), &json!("pod-end")));
}

#[test]
fn one_pod_that_leaves_a_queue_changes_nobody_else() {
    let ticket = |pod: &str, revision| key(&format!("{SHOP}/q/{pod}"), &holder(pod), revision);
    let mut model =
        listed(vec![pool(), ticket("first", 61), ticket("second", 62), ticket("third", 63)]);
    let three = model.view(NOW).0.after(&View::default());
    assert_eq!(three.get("wait/mountains/shop/-/second").unwrap()["ticket"], 62);
    model.apply(Event::Changed(vec![Change::Delete(format!("{SHOP}/q/first"))]), NOW);
    let two = model.view(NOW).0.after(&three);
    let changes = serde_json::to_value(two.changes(Some(three.number()))).unwrap();
    assert_eq!(changes, json!({"set": {}, "drop": ["wait/mountains/shop/-/first"]}));
}

#[test]
fn a_group_has_its_members_its_shards_and_their_owners() {
    let grant = json!({"uid": "a", "session": {"epoch": 5, "revision": 10}, "validity_ms": 10_000});
    let mut keys = group_keys(&["a", "b"]);
    keys.push(key("/cairn/v1/ns/shop/g/ledger/s/00000", &grant, 20));
    let (view, _) = listed(keys).view(NOW);
    assert_eq!(view.get("group/shop/ledger").unwrap()["shards"], 1);
    assert_eq!(view.ids("member/"), ["member/shop/ledger/a", "member/shop/ledger/b"]);
    let shard = view.get("shard/shop/ledger/0").unwrap();
    assert_eq!(
        (&shard["pod"], &shard["state"], &shard["fence"]),
        (&json!("pod-a"), &json!("owned"), &json!("5-20"))
    );
    assert_eq!(view.get("spans/shop/ledger/0").unwrap()[0]["uid"], "a");
}

#[test]
fn a_freeze_a_hold_and_pods_that_are_kept_out_are_shown() {
    let mut keys = group_keys(&["a"]);
    keys.push(pool());
    let shown = |keys: &[KeyValue]| {
        let (view, _) = listed(keys.to_vec()).view(NOW);
        let group = view.get("group/shop/ledger").unwrap();
        let kept_out = group["kept_out"].as_array().unwrap().len();
        let frozen = view.get("pool/mountains").unwrap()["frozen"].clone();
        (frozen, group["hold"].clone(), kept_out)
    };
    assert_eq!(shown(&keys), (json!(false), json!(false), 0));
    keys.push(key(&keys::freeze(&"mountains".parse().unwrap()), &json!({}), 20));
    keys.push(key(HOLD, &json!({}), 21));
    keys.push(key("/cairn/v1/ns/shop/g/ledger/x/b", &json!({"since": 1}), 22));
    assert_eq!(shown(&keys), (json!(true), json!(true), 1));
}

#[test]
fn while_etcd_is_away_the_last_state_is_shown_with_its_age() {
    let mut model = listed(vec![pool(), slot("Denali", "pod-a", 60)]);
    model.apply(health(Ok(MemberStatus::default())), UnixMillis(1_002_000));
    model.apply(health(Err(Error::NoEndpoint)), UnixMillis(1_009_000));
    let (view, _) = model.view(UnixMillis(1_010_000));
    let link = view.get("link").unwrap();
    assert_eq!((&link["state"], &link["heard"]), (&json!("away"), &json!(1_002_000)));
    assert_eq!(view.ids("slot/").len(), 1, "the state stays");
    model.apply(Event::Away("gone".to_owned()), UnixMillis(1_020_000));
    let link = model.view(NOW).0.get("link").unwrap();
    assert_eq!((&link["since"], &link["reason"]), (&json!(1_009_000), &json!("gone")));
    model.apply(Event::Listed(70, vec![pool()]), UnixMillis(1_030_000));
    let (view, _) = model.view(UnixMillis(1_030_000));
    assert_eq!(view.get("link").unwrap()["state"], "live");
    assert_eq!(view.ids("slot/").len(), 0);
}

#[test]
fn a_silence_ends_with_the_next_answer_only_while_changes_are_followed() {
    let mut model = listed(vec![pool()]);
    let state = |model: &mut Model| model.view(NOW).0.get("link").unwrap()["state"].clone();
    model.apply(health(Err(Error::NoEndpoint)), NOW);
    assert_eq!(state(&mut model), "away");
    model.apply(health(Ok(MemberStatus::default())), NOW);
    assert_eq!(state(&mut model), "live", "the watch has outlived the silence");
    model.apply(Event::Away("the watch has ended".to_owned()), NOW);
    model.apply(health(Ok(MemberStatus::default())), NOW);
    assert_eq!(state(&mut model), "away", "changes may be missed until everything is read again");
}

#[test]
fn an_etcd_that_never_answered_is_not_shown_as_an_empty_one() {
    let mut model = Model::new(NOW);
    model.apply(Event::Away("connection refused".to_owned()), NOW);
    let link = model.view(NOW).0.get("link").unwrap();
    assert_eq!(
        (&link["state"], &link["reason"]),
        (&json!("connecting"), &json!("connection refused"))
    );
}

#[test]
fn a_record_that_cannot_be_read_is_an_error_and_hides_nothing() {
    let broken = key(&format!("{SHOP}/s/MtLogan"), &json!("?"), 61);
    let (view, _) = listed(vec![pool(), slot("Denali", "pod-a", 60), broken]).view(NOW);
    assert_eq!(view.ids("slot/"), ["slot/mountains/shop/-/Denali"]);
    assert!(view.get("errors").unwrap()[0].as_str().unwrap().contains("/s/MtLogan"));
}
