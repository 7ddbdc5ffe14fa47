use super::*;
use crate::mirror::testing::{claims, key};
use crate::mirror::{Census, Counts, SpecSeen};

const SLOT: &str = "/cairn/v1/ns/shop/c/mountains/checkout/s/Denali";
const OWNER: &str = "/cairn/v1/ns/shop/o/u1/mountains";

fn pod(namespace: &str, uid: &str) -> PodId {
    PodId { namespace: namespace.into(), uid: uid.into() }
}

fn slot(at: &str, namespace: &str, uid: &str, revision: i64) -> KeyValue {
    let record = format!(
        r#"{{"namespace":"{namespace}","pod":"p","uid":"{uid}","node":"n","incarnation":1,"nonce":"x",
            "since":1795230000000,"validity_ms":30000,"quarantine_ms":15000}}"#
    );
    key(at, &record, revision)
}

fn owner(at: &str, slot: &str, revision: i64) -> KeyValue {
    key(at, &format!(r#"{{"slot":"{slot}","nonce":"x"}}"#), revision)
}

fn mountains() -> PoolName {
    "mountains".parse().unwrap()
}

fn checkout() -> ClaimPath {
    let scope = cairn_core::pool::Scope::Namespace;
    ClaimPath::new(mountains(), scope, "shop", Some("checkout".parse().unwrap()))
}

fn held() -> Vec<KeyValue> {
    vec![
        key("/cairn/v1/epoch", "5", 1),
        key("/cairn/v1/pools/mountains", r#"{"names":{"list":["Denali"]}}"#, 2),
        slot(SLOT, "shop", "u1", 7),
        owner(OWNER, SLOT, 7),
    ]
}

#[test]
fn a_claim_is_shown_with_its_name_its_fence_and_since_when() {
    let claims = claims(&held());
    let claim = Claim {
        name: "Denali".into(),
        fence: Fence { epoch: 5, revision: 7 },
        since: UnixMillis(1_795_230_000_000),
        path: checkout(),
        namespace: "shop".into(),
        node: "n".into(),
        template: Template::default(),
    };
    assert_eq!(claims.of(&pod("shop", "u1")), BTreeMap::from([(mountains(), claim)]));
    assert!(claims.of(&pod("shop", "u2")).is_empty());
    assert!(claims.keeps(&mountains()));
}

#[test]
fn owner_and_slot_of_different_transactions_are_no_claim() {
    let mut keys = held();
    keys[2] = slot(SLOT, "shop", "u1", 8);
    assert!(claims(&keys).of(&pod("shop", "u1")).is_empty());
    assert_eq!(claims(&keys).census()[&mountains()].held, 0);
}

#[test]
fn a_slot_of_another_pod_is_no_claim() {
    let mut keys = held();
    keys[2] = slot(SLOT, "shop", "u2", 7);
    assert!(claims(&keys).of(&pod("shop", "u1")).is_empty());
}

#[test]
fn keys_of_one_namespace_put_nothing_on_the_pods_of_another() {
    // Somebody in `evil` knows the UID of a pod in `shop`, and may write below /ns/evil/ only.
    let slot_key = "/cairn/v1/ns/evil/c/mountains/-/s/Oops";
    for namespace in ["shop", "evil"] {
        let claims = claims(&[
            slot(slot_key, namespace, "u1", 7),
            owner("/cairn/v1/ns/evil/o/u1/mountains", slot_key, 7),
        ]);
        assert!(claims.of(&pod("shop", "u1")).is_empty(), "{namespace}");
    }
}

#[test]
fn an_adopted_slot_stays_the_same_claim() {
    let mut claims = claims(&held());
    let before = claims.of(&pod("shop", "u1"));
    let again = KeyValue { mod_revision: 12, ..slot(SLOT, "shop", "u1", 7) };
    let touched = claims.apply(&[Change::Put(again)]);
    assert_eq!(claims.of(&pod("shop", "u1")), before);
    assert_eq!(touched.pods, BTreeSet::from([pod("shop", "u1")]));
}

#[test]
fn a_slot_that_changes_hands_touches_both_pods() {
    let mut claims = claims(&held());
    let touched = claims.apply(&[
        Change::Delete(SLOT.into()),
        Change::Delete(OWNER.into()),
        Change::Put(slot(SLOT, "shop", "u2", 9)),
        Change::Put(owner("/cairn/v1/ns/shop/o/u2/mountains", SLOT, 9)),
    ]);
    assert_eq!(touched.pods, BTreeSet::from([pod("shop", "u1"), pod("shop", "u2")]));
    assert!(claims.of(&pod("shop", "u1")).is_empty());
    assert_eq!(claims.of(&pod("shop", "u2"))[&mountains()].fence.revision, 9);
}

#[test]
fn numbers_are_shown_as_their_pool_shows_them_and_again_when_the_pool_changes() {
    let (slot_key, owner_key) = ("/cairn/v1/cluster/ids/-/s/7", "/cairn/v1/ns/shop/o/u1/ids");
    let pool = |width: u8| {
        let spec = format!(
            r#"{{"names":{{"range":{{"from":0,"to":9,"prefix":"node-","width":{width}}}}},
                "scope":"Cluster","onLoss":"Stop"}}"#
        );
        key("/cairn/v1/pools/ids", &spec, 2)
    };
    let mut claims =
        claims(&[pool(3), slot(slot_key, "shop", "u1", 7), owner(owner_key, slot_key, 7)]);
    let ids: PoolName = "ids".parse().unwrap();
    assert_eq!(claims.of(&pod("shop", "u1"))[&ids].name, "node-007");
    assert!(!claims.keeps(&ids));
    assert!(claims.apply(&[Change::Put(pool(1))]).everybody);
    assert_eq!(claims.of(&pod("shop", "u1"))[&ids].name, "node-7");
    // A pool that is gone leaves its holders what they hold.
    assert!(claims.apply(&[Change::Delete("/cairn/v1/pools/ids".into())]).everybody);
    assert_eq!(claims.of(&pod("shop", "u1"))[&ids].name, "7");
}

#[test]
fn names_are_counted_by_pool_whether_held_or_resting_and_holders_are_named() {
    let mut claims = claims(&held());
    let below = |rest: &str| format!("/cairn/v1/ns/shop/c/mountains/checkout/{rest}");
    claims.apply(&[
        Change::Put(key(&below("x/MtLogan"), "", 8)),
        Change::Put(key(&below("d/Denali"), "46", 7)),
        Change::Put(key(&below("q/u9"), "{}", 9)),
        Change::Put(key(
            &below("h/Denali"),
            r#"{"reserved_until_ms":7,"fence":{"epoch":5,"revision":7}}"#,
            9,
        )),
    ]);
    let counts = Counts {
        held: 1,
        slots: 1,
        quarantined: 1,
        tickets: 1,
        holders: vec!["shop/p: Denali".into()],
        reserved_until: Some(UnixMillis(7)),
        capacity: Some(1),
        free: Some(0),
        spec: SpecSeen::Open,
        ..Counts::default()
    };
    assert_eq!(claims.census(), Census::from([(mountains(), counts)]));
    // The slot goes, and its note stands: the name rests, although nobody has begun its quarantine.
    let gone = ["x/MtLogan", "s/Denali", "q/u9", "h/Denali"];
    claims.apply(&gone.map(|rest| Change::Delete(below(rest))));
    let counts = Counts {
        quarantined: 1,
        capacity: Some(1),
        free: Some(0),
        spec: SpecSeen::Open,
        ..Counts::default()
    };
    assert_eq!(claims.census(), Census::from([(mountains(), counts)]));
    // A quarantine that has begun is not counted beside its note.
    claims.apply(&[Change::Put(key(&below("x/Denali"), "", 12))]);
    assert_eq!(claims.census()[&mountains()].quarantined, 1);
    claims.apply(&["x/Denali", "d/Denali"].map(|rest| Change::Delete(below(rest))));
    let census = claims.census();
    assert_eq!((census[&mountains()].quarantined, census[&mountains()].free), (0, Some(1)));
    assert_eq!(claims.paths().count(), 0, "a path without keys is forgotten");
}

#[test]
fn a_closed_spec_is_counted_with_the_revision_that_proves_it() {
    let mut claims = claims(&held());
    let spec = r#"{"names":{"list":["Denali"]},"closed":true}"#;
    claims.apply(&[Change::Put(key("/cairn/v1/pools/mountains", spec, 31))]);
    assert_eq!(claims.census()[&mountains()].spec, SpecSeen::Closed(31));
    assert!(claims.keeps(&mountains()), "its holders go on as before");
}

#[test]
fn only_a_few_holders_are_named_the_first_in_order() {
    let mut keys = Vec::new();
    for number in (0..9).rev() {
        let at = format!("/cairn/v1/ns/shop/c/mountains/checkout/s/N{number}");
        let uid = format!("u{number}");
        keys.push(slot(&at, "shop", &uid, 7));
        keys.push(owner(&format!("/cairn/v1/ns/shop/o/{uid}/mountains"), &at, 7));
    }
    let counts = claims(&keys).census().remove(&mountains()).unwrap();
    assert_eq!(counts.held, 9);
    assert_eq!(counts.holders, ["shop/p: N0", "shop/p: N1", "shop/p: N2"]);
}

#[test]
fn a_name_that_a_pod_has_given_up_is_known_as_its_own_and_touches_it() {
    let mut claims = claims(&held());
    let at = "/cairn/v1/ns/shop/c/mountains/checkout/x/MtLogan";
    let rest = |waits: &str| {
        let record = format!(
            r#"{{"namespace":"shop","pod":"p","uid":"u2","node":"n","incarnation":1,
                "fence":{{"epoch":5,"revision":7}},"since":0,"waits_for":"{waits}"}}"#
        );
        Change::Put(key(at, &record, 9))
    };
    assert_eq!(claims.apply(&[rest("pod-end")]).pods, BTreeSet::from([pod("shop", "u2")]));
    assert_eq!(claims.quarantine_of(&pod("shop", "u2"), &checkout()), Some(WaitsFor::PodEnd));
    claims.apply(&[rest("time")]);
    assert_eq!(claims.quarantine_of(&pod("shop", "u2"), &checkout()), Some(WaitsFor::Time));
    assert_eq!(claims.quarantine_of(&pod("shop", "u1"), &checkout()), None);
    let touched = claims.apply(&[Change::Delete(at.into())]);
    assert_eq!(touched.pods, BTreeSet::from([pod("shop", "u2")]));
}

#[test]
fn a_name_is_anothers_only_where_it_is_unique() {
    let claims = claims(&held());
    assert!(claims.is_anothers(&pod("shop", "u2"), &checkout(), "Denali"));
    assert!(!claims.is_anothers(&pod("shop", "u1"), &checkout(), "Denali"), "it is its own");
    assert!(!claims.is_anothers(&pod("shop", "u2"), &checkout(), "MtLogan"));
    let other = ClaimPath { group: None, ..checkout() };
    assert!(!claims.is_anothers(&pod("shop", "u2"), &other, "Denali"));
}

#[test]
fn what_cannot_be_read_is_no_claim_and_does_no_harm() {
    let mut claims = claims(&held());
    claims.apply(&[Change::Put(key(SLOT, "{", 9)), Change::Put(key("/cairn/v1/what", "", 9))]);
    assert!(claims.of(&pod("shop", "u1")).is_empty());
    claims.apply(&[Change::Put(key("/cairn/v1/pools/mountains", "{", 10))]);
    assert!(!claims.keeps(&mountains()));
}
