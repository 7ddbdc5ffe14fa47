//! `cairn claims` and `cairn pools` against a real etcd with claims made by the claim protocol.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]

use cairn_core::lease::Won;
use cairn_test_etcd::TestEtcd;
use serde_json::json;

#[path = "store/fixture.rs"]
mod fixture;

use fixture::{Fixture, LONG, assert_refused, holder, json_of, say, words};

#[test]
fn an_empty_etcd_is_reported_in_one_line() {
    let process = TestEtcd::start().unwrap();
    assert_eq!(say(process.url(), &["claims"]), "No name is held, rests, or is waited for.\n");
    assert_eq!(
        say(process.url(), &["claims", "-n", "shop"]),
        "No name is held, rests, or is waited for in namespace 'shop'.\n"
    );
    assert!(say(process.url(), &["pools"]).starts_with("No pool is defined; "));
    assert_eq!(
        json_of(process.url(), &["claims"]),
        json!({"claims": [], "resting": [], "waiting": []})
    );
    assert_eq!(json_of(process.url(), &["pools"]), json!({"pools": []}));
}

#[test]
fn held_names_and_names_in_quarantine_are_shown() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let denali = fixture.claim("mountains", "shop", Some("checkout"), "Denali", "checkout-a");
    let logan = fixture.claim("mountains", "shop", Some("checkout"), "MtLogan", "checkout-b");
    let other = fixture.claim("mountains", "bank", None, "Denali", "teller");
    let three = fixture.claim("snowflake", "shop", None, "3", "orders-a");
    for pod in ["first", "second"] {
        fixture.join("mountains", "shop", Some("checkout"), pod);
    }
    fixture.release(
        "mountains",
        "shop",
        Some("checkout"),
        "Denali",
        "checkout-a",
        denali.own_mod_revision,
    );

    let fence = |won: &Won| format!("5-{}", won.fence.revision);
    let fences = [&logan, &other, &three].map(fence);
    let [of_logan, of_other, of_three] = fences.each_ref().map(String::as_str);
    let since = "2026-11-21T03:00:00Z";
    let expected = [
        "NAMESPACE POOL GROUP NAME STATE RANK POD NODE FENCE SINCE".to_owned(),
        format!("bank mountains - Denali held - teller node-1 {of_other} {since}"),
        "shop mountains checkout Denali resting - - - - -".to_owned(),
        format!("shop mountains checkout MtLogan held - checkout-b node-1 {of_logan} {since}"),
        format!("shop snowflake - 3 held - orders-a node-1 {of_three} {since}"),
        format!("shop mountains checkout - waiting 0 first node-1 - {since}"),
        format!("shop mountains checkout - waiting 1 second node-1 - {since}"),
    ];
    let text = say(url, &["claims", "-o", "wide"]);
    assert_eq!(without_times(&text), expected, "{text}");
    let narrow = say(url, &["claims"]);
    assert_eq!(
        words(&narrow)[0],
        ["NAMESPACE", "POOL", "GROUP", "NAME", "STATE", "RANK", "POD", "FENCE", "AGE"],
        "{narrow}"
    );

    let of_shop = ["claims", "--namespace", "shop", "--pool", "mountains"];
    let shop = say(url, &[&of_shop[..], &["-o", "wide"]].concat());
    assert_eq!(without_times(&shop), [0, 2, 3, 5, 6].map(|line| expected[line].clone()), "{shop}");
    let yaml = say(url, &[&of_shop[..], &["-o", "yaml"]].concat());
    assert!(yaml.starts_with("claims:\n") && yaml.contains("  name: MtLogan\n"), "{yaml}");
    assert_eq!(
        say(url, &["claims", "-n", "bank", "--pool", "snowflake"]),
        "No name of pool 'snowflake' is held, rests, or is waited for in namespace 'bank'.\n"
    );

    let waiting = |pod, rank| {
        json!({
            "namespace": "shop", "pool": "mountains", "group": "checkout", "state": "waiting",
            "rank": rank, "since": since, "holder": holder("shop", pod),
        })
    };
    let mut object = json_of(url, &["claims", "-n", "shop", "--pool", "mountains"]);
    for list in ["claims", "waiting", "resting"] {
        for entry in object[list].as_array_mut().unwrap() {
            let left = entry.as_object_mut().unwrap().remove("lease_seconds").unwrap();
            assert!((1..=LONG.as_secs()).contains(&left.as_u64().unwrap()), "{left}");
        }
    }
    assert_eq!(
        object,
        json!({
            "claims": [{
                "namespace": "shop", "pool": "mountains", "group": "checkout",
                "name": "MtLogan", "index": 1, "state": "held", "since": since,
                "fence": {"epoch": 5, "revision": logan.fence.revision},
                "holder": holder("shop", "checkout-b"),
            }],
            "resting": [{
                "namespace": "shop", "pool": "mountains", "group": "checkout",
                "name": "Denali", "index": 0,
            }],
            "waiting": [waiting("first", 0), waiting("second", 1)],
        })
    );

    assert_pools_are_counted(url);
}

/// The pools of the claims above.
fn assert_pools_are_counted(url: &str) {
    let pools = say(url, &["pools"]);
    assert_eq!(
        words(&pools),
        [
            [
                "NAME",
                "SCOPE",
                "CAPACITY",
                "HELD",
                "RESTING",
                "WAITING",
                "ONLOSS",
                "VALIDITY",
                "QUARANTINE",
            ],
            ["mountains", "Namespace", "100", "2", "1", "2", "Keep", "30s", "15s"],
            ["snowflake", "Cluster", "1024", "1", "0", "0", "Stop", "30s", "30s"],
        ]
        .map(Vec::from),
        "{pools}"
    );
    assert_eq!(
        json_of(url, &["pools"])["pools"][1],
        json!({"name": "snowflake", "scope": "Cluster", "capacity": 1024, "held": 1, "resting": 0,
            "waiting": 0, "onLoss": "Stop", "validity": "30s", "quarantine": "30s"})
    );
}

#[test]
fn an_unknown_pool_is_an_error_with_exit_code_1() {
    let fixture = Fixture::new();
    for (pool, message) in [
        ("montains", "pool 'montains' does not exist; did you mean 'mountains'?"),
        ("coffee", "pool 'coffee' does not exist; see cairn pools"),
    ] {
        assert_refused(fixture.process.url(), &["claims", "--pool", pool], message);
    }
}

#[test]
fn the_other_member_responds_after_one_has_stopped() {
    let fixture = Fixture::new();
    let members = format!("http://127.0.0.1:1,{}", fixture.process.url());
    assert!(say(&members, &["pools"]).contains("mountains"));
}

/// The lines of a wide table without the columns that change with time.
fn without_times(text: &str) -> Vec<String> {
    let line = |words: &Vec<&str>| [&words[..9], &words[10..11]].concat().join(" ");
    words(text).iter().map(line).collect()
}
