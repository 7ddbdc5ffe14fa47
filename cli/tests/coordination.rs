//! The commands about members, the leader and shards, against a real etcd and sidecars that are played.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "store/fixture.rs"]
#[expect(dead_code, reason = "shared with the tests of claims and pools")]
mod fixture;
#[path = "coordination/played.rs"]
mod played;

use fixture::{Fixture, assert_refused, json_of, say, words};
use played::{Group, Sidecar};

#[test]
fn an_etcd_without_groups_is_reported_in_one_line() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    assert_eq!(say(url, &["members"]), "There is no member.\n");
    assert_eq!(say(url, &["leader"]), "No member coordinates a leader.\n");
    assert_eq!(
        say(url, &["shards", "-n", "shop", "--group", "g"]),
        "There is no shard of group 'g' in namespace 'shop'.\n"
    );
    for command in ["members", "leader", "shards"] {
        assert_eq!(json_of(url, &[command]), json!({"groups": []}));
    }
    let nobody = "no such group has members or owners; see cairn members";
    assert_refused(url, &["owner", "customer-17"], nobody);
    assert_refused(url, &["step-down"], "there is no leader; see cairn leader");
    for command in [&["drain", "x"][..], &["members", "drop", "x"]] {
        assert_refused(url, command, "no member is called 'x'; see cairn members");
    }
}

#[test]
fn members_and_what_they_own_are_shown() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let group = Group::new(&fixture, "shop", "checkout", 4);
    let a = group.join("a", "participant");
    let b = group.join("b", "draining");
    group.grant("s/00000", "a", a);
    group.grant("s/00001", "a", a);
    group.grant("s/00002", "b", b);
    group.grant("s/00003", "gone", 1);
    let fence = group.grant("l", "a", a);

    let members = say(url, &["members", "-o", "wide"]);
    let rows: Vec<_> = words(&members).iter().map(|row| row[..10].join(" ")).collect();
    assert_eq!(
        rows,
        [
            "NAMESPACE GROUP POD NODE NAME STATE LEADS SHARDS WEIGHT GENERATION",
            "shop checkout pod-a node-1 Denali participant yes 2 100 7",
            "shop checkout pod-b node-1 Denali draining - 1 100 7",
        ],
        "{members}"
    );
    assert!(members.trim_end().ends_with("gives everything away"), "{members}");

    let leader = say(url, &["leader", "-o", "wide"]);
    assert_eq!(
        words(&leader)[1].join(" "),
        format!("shop checkout pod-a node-1 owned 5-{fence} - -"),
        "{leader}"
    );

    let shards = say(url, &["shards"]);
    let states: Vec<_> = words(&shards)[1..].iter().map(|row| (row[3], row[4])).collect();
    assert_eq!(
        states,
        [("pod-a", "owned"), ("pod-a", "owned"), ("pod-b", "draining"), ("gone", "ended")],
        "{shards}"
    );
    assert!(shards.contains("it waits at most 12.3s"), "{shards}");
    let by_member = say(url, &["shards", "--by-member"]);
    assert_eq!(
        words(&by_member)[1..],
        [
            ["shop", "checkout", "pod-a", "participant", "100", "2", "0-1"],
            ["shop", "checkout", "pod-b", "draining", "100", "1", "2"],
            ["shop", "checkout", "-", "waiting", "-", "1", "3"],
        ]
        .map(Vec::from),
        "{by_member}"
    );
    let object = json_of(url, &["shards", "--group", "checkout"]);
    let last = &object["groups"][0]["shards"][3];
    assert_eq!((&last["uid"], &last["waits_at_most_ms"]), (&json!("gone"), &json!(12_222)));
    assert_eq!(json_of(url, &["shards", "-n", "bank"]), json!({"groups": []}));
}

#[test]
fn a_hold_is_shown_with_its_end() {
    let fixture = Fixture::new();
    let group = Group::new(&fixture, "shop", "checkout", 1);
    group.join("a", "participant");
    group.hold();
    let shards = say(fixture.process.url(), &["shards"]);
    assert!(shards.contains("free"), "{shards}");
    assert!(shards.contains("it has no owner; a hold forbids changes of owners"), "{shards}");
    let last = shards.lines().last().unwrap();
    assert!(last.starts_with("A hold forbids changes of owners for "), "{shards}");
}

#[test]
fn the_owner_of_a_key_is_the_owner_of_its_shard() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let group = Group::new(&fixture, "shop", "checkout", 4);
    let a = group.join("a", "participant");
    for shard in 0..4 {
        group.grant(&format!("s/0000{shard}"), "a", a);
    }
    let found = json_of(url, &["owner", "customer-17"]);
    assert_eq!(found["pod"], "pod-a");
    assert_eq!(found["endpoints"], json!({"http": "10.0.0.7:8080"}));
    let shown = say(url, &["owner", "customer-17"]);
    let shard = found["shard"].to_string();
    assert_eq!(words(&shown)[1][2..6], [&shard, "pod-a", "owned", "http=10.0.0.7:8080"]);

    Group::new(&fixture, "bank", "checkout", 4).join("c", "participant");
    assert_refused(
        url,
        &["owner", "customer-17"],
        "more than one group fits, like group 'checkout' of namespace 'bank' and group 'checkout' of \
         namespace 'shop'; choose one with --namespace and --group",
    );
}

#[test]
fn a_dropped_member_is_gone_and_kept_out() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let group = Group::new(&fixture, "shop", "checkout", 4);
    let a = group.join("a", "participant");
    group.grant("s/00000", "a", a);
    assert_eq!(
        say(url, &["members", "drop", "pod-a", "-n", "shop"]),
        "Pod 'pod-a' is no member of group 'checkout' of namespace 'shop' any more and is kept out for \
         10 minutes. Its app may serve for 10s more; the 1 shards that it owned are taken over within \
         12.2s.\n"
    );
    let members = say(url, &["members"]);
    assert_eq!(words(&members)[1][..5].join(" "), "shop checkout a - dropped", "{members}");
    // Only its owner, or who takes over after it, changes a shard.
    assert_eq!(json_of(url, &["shards"])["groups"][0]["shards"][0]["uid"], "a");
    assert_refused(
        url,
        &["members", "drop", "pod-a"],
        "no member is called 'pod-a'; see cairn members",
    );
}

#[test]
fn a_pod_is_drained_by_its_own_sidecar() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let group = Group::new(&fixture, "shop", "checkout", 4);
    let a = group.join("a", "participant");
    group.grant("s/00000", "a", a);
    group.join("v", "viewer");
    let sidecar = Sidecar::of("a");
    let text = say(url, &["drain", "pod-a", "--sidecar", &sidecar.address]);
    assert!(text.starts_with("Pod 'pod-a' drains: it hands over 1 shards"), "{text}");
    let drained = ("PUT /v1/self/state".to_owned(), json!({"state": "draining"}));
    assert_eq!(sidecar.asked(), [("GET /v1/self".to_owned(), Value::Null), drained]);
    assert_refused(
        url,
        &["drain", "pod-v", "--sidecar", &sidecar.address],
        "pod 'pod-v' is a viewer, and owns nothing",
    );
}

#[test]
fn nothing_is_asked_of_the_sidecar_of_another_pod() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let group = Group::new(&fixture, "shop", "checkout", 4);
    group.join("a", "participant");
    let other = Sidecar::of("b");
    assert_refused(
        url,
        &["drain", "pod-a", "--sidecar", &other.address],
        "the sidecar there is of 'pod-b', not of 'pod-a'; nothing was asked of it",
    );
    assert_eq!(other.asked(), [("GET /v1/self".to_owned(), Value::Null)]);
}

#[test]
fn the_leader_is_asked_through_a_forwarded_port() {
    let fixture = Fixture::new();
    let url = fixture.process.url();
    let group = Group::new(&fixture, "shop", "checkout", 4);
    let a = group.join("a", "participant");
    group.grant("l", "a", a);
    let sidecar = Sidecar::of("a");
    let dir = TempDir::new().unwrap();
    let kubectl = dir.path().join("kubectl");
    let arguments = dir.path().join("arguments");
    let script = format!(
        "#!/bin/sh\necho \"$@\" > {}\necho 'Forwarding from {} -> 24040'\nexec sleep 60\n",
        arguments.display(),
        sidecar.address
    );
    fs::write(&kubectl, script).unwrap();
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();
    let kubectl = kubectl.to_str().unwrap();
    assert_refused(
        url,
        &["step-down", "--kubectl", kubectl],
        "no other participant of group 'checkout' of namespace 'shop' may lead that has not stepped down \
         before, so 'pod-a' would lead on",
    );
    group.join("b", "participant");
    assert_eq!(
        say(url, &["step-down", "--kubectl", kubectl]),
        "Pod 'pod-a' gives the leadership of group 'checkout' of namespace 'shop' away once its app has \
         stopped; see cairn leader.\n"
    );
    assert_eq!(
        fs::read_to_string(arguments).unwrap(),
        "port-forward --namespace shop --address 127.0.0.1 pod/pod-a :24040\n"
    );
    let resigned = ("POST /v1/leader/resign".to_owned(), Value::Null);
    assert_eq!(sidecar.asked(), [("GET /v1/self".to_owned(), Value::Null), resigned]);
    assert_refused(
        url,
        &["step-down", "--kubectl", "/none/kubectl"],
        "cannot run /none/kubectl to reach the pod's sidecar: No such file or directory (os error 2); \
         give --kubectl, or --sidecar with its address",
    );
}
