//! `cairn release` and `cairn admin restored` against a real etcd.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]

use cairn_store::{Kv, Op, Txn};
use cairn_test_etcd::TestEtcd;

#[path = "store/fixture.rs"]
#[expect(dead_code, reason = "shared with the tests of claims and pools")]
mod fixture;

use fixture::{Fixture, assert_refused, cairn, say};

#[test]
fn a_name_is_taken_from_its_holder_by_the_fence_of_its_claim() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let denali = fixture.claim("mountains", "shop", Some("checkout"), "Denali", "checkout-a");
    fixture.claim("mountains", "bank", None, "Denali", "teller");
    let fence = format!("5-{}", denali.fence.revision);
    assert_eq!(
        say(url, &["release", "mountains", "Denali", "--fence", &fence]),
        "'Denali' was taken from pod shop/checkout-a; it rests for 46s and can then be claimed again.\n"
    );
    let claims = say(url, &["claims", "-n", "shop"]);
    assert!(claims.contains("resting") && !claims.contains("held"), "{claims}");
    assert!(say(url, &["claims", "-n", "bank"]).contains("held"));
}

#[test]
fn nothing_is_released_without_the_fence_of_its_claim() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let won = fixture.claim("mountains", "shop", Some("checkout"), "Denali", "checkout-a");
    let revision = won.fence.revision;
    let release = |name: &'static str, fence: String| {
        ["release", "mountains", name, "--fence"].map(str::to_owned).into_iter().chain([fence])
    };
    for (name, fence, message) in [
        (
            "MtLogan",
            "5-1",
            "nobody holds 'MtLogan' of pool 'mountains'; see cairn claims".to_owned(),
        ),
        (
            "Denali",
            "5-1",
            format!(
                "'Denali' of pool 'mountains' is held with fence 5-{revision}, not 5-1; look at cairn claims again"
            ),
        ),
        (
            "Denali",
            "4-1",
            format!(
                "'Denali' of pool 'mountains' is held with fence 5-{revision}, not 4-1; look at cairn claims again"
            ),
        ),
    ] {
        let args: Vec<String> = release(name, fence.to_owned()).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        assert_refused(url, &args, &message);
    }
    let elsewhere = ["release", "mountains", "Denali", "-n", "bank", "--fence", "5-1"];
    assert_refused(url, &elsewhere, "nobody holds 'Denali' of pool 'mountains'; see cairn claims");
    let output = cairn(url, &["release", "mountains", "Denali", "--fence", "17"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("is not a fence; write it as shown by `cairn claims`"), "{message}");
    assert_eq!((output.status.code(), message.lines().count()), (Some(2), 1));
    assert!(say(url, &["claims"]).contains("held"));
}

#[test]
fn after_a_restore_nothing_is_granted_for_a_while_and_fences_grow() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let told = say(url, &["admin", "restored"]);
    let epoch = fixture.runtime.block_on(fixture.store.epoch()).unwrap().unwrap();
    assert!(epoch > 1_795_000_000, "Unix seconds: {epoch}");
    assert_eq!(
        told,
        format!(
            "The epoch is {epoch} now (before: 5). Nothing is granted from mountains, snowflake for \
             90s; whoever holds a name and still believes in it keeps it.\n"
        )
    );
    assert!(say(url, &["admin", "restored"]).contains(&format!("(before: {epoch})")));
}

#[test]
fn an_etcd_without_pools_has_nothing_to_freeze() {
    let process = TestEtcd::start().unwrap();
    let message = "no pool is defined in this etcd, so there is nothing to hold; an empty etcd gets its \
                    epoch by itself (one that replaces another is accepted with --replaces)";
    assert_refused(process.url(), &["admin", "restored"], message);
}

#[test]
fn an_etcd_that_replaces_another_is_accepted_by_an_administrator_in_every_prefix() {
    let process = TestEtcd::start().unwrap();
    let below = |args: &[&str]| {
        let prefix = ["--etcd-prefix", "/red/"];
        cairn(process.url(), &[args, &prefix].concat())
    };
    let output = below(&["admin", "restored", "--replaces", "abc"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.starts_with("Sidecars and webhook believe etcd cluster "), "{output:?}");
    assert!(told.ends_with(" from now on, in place of abc.\n"), "{told}");
    let message = "no pool is defined in this etcd, so there is nothing to hold; an empty etcd gets its \
                    epoch by itself (one that replaces another is accepted with --replaces)";
    assert_refused(process.url(), &["admin", "restored"], message);

    let output = below(&["claims", "--etcd-cluster-id", "abc"]);
    let refused = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        refused.contains("not to abc, which --etcd-cluster-id or Cairn's webhook names"),
        "{refused}"
    );
    let output = cairn(process.url(), &["claims", "--etcd-prefix", "red"]);
    let refused = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        refused.contains("--etcd-prefix 'red' is not a key prefix; begin and end"),
        "{refused}"
    );
    assert_eq!((output.status.code(), refused.lines().count()), (Some(2), 1));
}

#[test]
fn reserved_time_is_removed_only_for_an_id_that_no_pod_holds() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let key = "/cairn/v1/cluster/snowflake/-/h/17";
    let put = |key: &str| {
        let then = vec![Op::put(key, "{}", 0)];
        let txn = Txn { then, ..Txn::default() };
        fixture.runtime.block_on(fixture.store.kv().txn(txn)).unwrap();
    };
    put(key);
    assert_eq!(
        say(url, &["admin", "reset-clock", "snowflake", "17"]),
        "The next holder of '17' begins at its own clock's time, whatever was reserved.\n"
    );
    let left = fixture.runtime.block_on(fixture.store.kv().list("/cairn/v1/cluster/")).unwrap();
    assert!(left.1.is_empty(), "{left:?}");
    fixture.claim("snowflake", "shop", None, "17", "orders");
    for (pool, name, message) in [
        (
            "snowflake",
            "17",
            "somebody holds '17', and reserves time as long as it does; see cairn claims",
        ),
        ("snowflake", "1024", "'1024' is no name of pool 'snowflake'"),
        ("mountains", "Denali", "no time is reserved in pool 'mountains': its clock is None"),
        ("sunflake", "17", "pool 'sunflake' does not exist; see cairn pools"),
    ] {
        assert_refused(url, &["admin", "reset-clock", pool, name], message);
    }
}
