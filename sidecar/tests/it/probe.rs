//! `cairn-sidecar probe`: the real binary asks a running sidecar.

use std::fs;

use cairn_core::identity::{ClaimField, Identity};

use crate::harness::{App, Dir, binary, held};

#[tokio::test]
async fn the_probe_is_silent_when_everything_is_held() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    assert_eq!(app.probe(&[]).await, (0, String::new()));
}

#[tokio::test]
async fn the_probe_prints_the_waiting_pool_and_the_reason() {
    let app = App::start(&[]).await;
    let mut snapshot = held(&app.snapshot(), ["Denali", "17"]);
    let waiting = &mut snapshot.claims[1];
    waiting.status.identity.state = cairn_core::claim::ClaimState::Waiting;
    waiting.status.identity.slot = None;
    waiting.status.identity.reason = Some("all 1024 names are held; 3rd in line".into());
    waiting.was_held = false;
    app.send(snapshot);
    let message = "pool snowflake: waiting: all 1024 names are held; 3rd in line\n";
    assert_eq!(app.probe(&["--wait", "300ms"]).await, (1, message.to_owned()));
}

#[tokio::test]
async fn a_probe_that_waits_ends_as_soon_as_the_claims_are_held() {
    let app = App::start(&[]).await;
    let probe = app.probe(&["--wait", "15s"]);
    let hold = async { app.send(held(&app.snapshot(), ["Denali", "17"])) };
    let (probed, ()) = tokio::join!(probe, hold);
    assert_eq!(probed, (0, String::new()));
}

#[tokio::test]
async fn the_gate_is_closed_until_the_annotations_show_the_names() {
    let dir = Dir::new();
    let gate = dir.path().join("annotations");
    fs::write(&gate, "cairn.dev/pool=\"mountains,snowflake\"\n").unwrap();
    let app = App::start_in(dir, &["--gate-file", gate.to_str().unwrap()]).await;
    let snapshot = held(&app.snapshot(), ["Denali", "17"]);
    app.send(snapshot.clone());
    let (code, message) = app.probe(&["--wait", "500ms"]).await;
    assert_eq!(code, 1);
    assert!(message.contains("claim.cairn.dev/mountains is not on the pod yet"), "{message}");
    let shown: Vec<String> =
        snapshot.claims.iter().map(|claim| annotations(&claim.status.identity)).collect();
    fs::write(&gate, &shown[0]).unwrap();
    app.eventually("the second one is missed", async || {
        app.get("/v1/probe").await.1.contains("claim.cairn.dev/snowflake")
    })
    .await;
    fs::write(&gate, shown.concat()).unwrap();
    assert_eq!(app.probe(&["--wait", "15s"]).await, (0, String::new()));
}

/// The annotations of a held claim, as the downward API writes them.
fn annotations(identity: &Identity) -> String {
    let slot = identity.slot.as_ref().expect("the claim is held");
    let line = |field: ClaimField| {
        format!("{}=\"{}\"\n", field.annotation(&identity.pool), field.value(slot))
    };
    ClaimField::ALL.map(line).concat()
}

#[tokio::test]
async fn in_a_pod_the_gate_opens_once_and_closes_for_a_withdrawn_stop_claim_alone() {
    let app = App::start(&["--in-pod"]).await;
    let waiting = app.probe(&["--wait", "200ms"]).await;
    assert_eq!(waiting.0, 1, "nothing was held yet");
    app.hold(["Denali", "17"]).await;
    let app = App::start_in(app.kill().await, &["--in-pod"]).await;
    assert_eq!(app.admin("/readyz").await.0, 503, "nothing is held yet");
    assert_eq!(app.probe(&[]).await, (0, String::new()));
    let mut lost = held(&app.snapshot(), ["Denali", "17"]);
    lost.claims[0].status.identity.state = cairn_core::claim::ClaimState::Degraded;
    app.send(lost.clone());
    app.eventually("degraded", async || app.get("/v1/claims").await.1.contains("degraded")).await;
    assert_eq!(app.probe(&[]).await.0, 0, "a Keep name is no reason to keep the app down");
    lost.claims[1].status.identity.state = cairn_core::claim::ClaimState::Lost;
    lost.claims[1].status.identity.slot = None;
    lost.claims[1].status.identity.reason = Some("etcd does not answer".into());
    app.send(lost);
    app.eventually("lost", async || app.admin("/app/livez").await.0 == 503).await;
    let (code, message) = app.probe(&["--wait", "200ms"]).await;
    assert_eq!(code, 1);
    assert!(message.contains("snowflake") && message.contains("etcd does not answer"));
}

#[tokio::test]
async fn outside_a_pod_the_probe_asks_for_every_claim_each_time() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let app = App::start_in(app.kill().await, &[]).await;
    assert_eq!(app.probe(&["--wait", "200ms"]).await.0, 1);
}

#[test]
fn a_probe_without_a_sidecar_names_the_socket() {
    let dir = Dir::new();
    let mut probe = binary();
    let output =
        probe.args(["probe", "--wait", "200ms", "--dir"]).arg(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("cairn.sock; is cairn-sidecar running with this --dir?"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn a_probe_with_a_wrong_wait_is_a_usage_error() {
    let output = binary().args(["probe", "--wait", "soon"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("write it like 900ms"), "{text}");
}
