//! The ends of a sidecar.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cairn_core::lease::EndReason;
use cairn_kit::exit::Exit;
use tokio::time::Instant;

use crate::harness::{App, eventually};

#[tokio::test]
async fn released_claims_leave_no_files_and_no_socket_behind() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    app.trigger.next();
    let (dir, exit) = app.ended().await;
    assert_eq!(exit, Exit::Clean);
    for gone in ["name", "env", "mountains", "snowflake", "cairn.sock"] {
        let path = dir.published().join(gone);
        assert!(fs::symlink_metadata(&path).is_err(), "{gone} is still there");
    }
}

#[tokio::test]
async fn in_a_pod_a_sigterm_keeps_the_files_of_keep_pools_and_removes_those_of_stop_pools() {
    let app = App::start(&["--in-pod"]).await;
    app.hold(["Denali", "17"]).await;
    app.trigger.next();
    let (dir, exit) = app.ended().await;
    assert_eq!(exit, Exit::Clean);
    for gone in ["env", "snowflake/name", "snowflake/claim.json", "cairn.sock"] {
        assert!(fs::symlink_metadata(dir.published().join(gone)).is_err(), "{gone} is still there");
    }
    assert_eq!(dir.read("name").as_deref(), Some("Denali"));

    let app = App::start_in(dir, &["--in-pod"]).await;
    let (status, message) = app.admin("/app/livez").await;
    assert_eq!(status, 503, "the app must not go on with a name that was given back");
    assert!(message.contains("snowflake"), "{message}");
    app.hold(["Denali", "17"]).await;
    assert_eq!(app.admin("/app/livez").await.0, 200);
    assert!(app.dir.read("env").is_some());
}

#[tokio::test]
async fn a_fenced_sidecar_takes_its_files_along_and_exits_3() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let (dir, exit) = app.end(EndReason::Fenced("a younger sidecar took over".into())).await;
    assert_eq!((exit, exit as u8), (Exit::Fenced, 3));
    assert_eq!(dir.read("mountains/name"), None);
}

#[tokio::test]
async fn a_failed_sidecar_leaves_its_files_for_the_next_process() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let (dir, exit) = app.end(EndReason::Failed("etcd has no space left".into())).await;
    assert_eq!((exit, exit as u8), (Exit::Failed, 1));
    assert_eq!(dir.read("name").unwrap(), "Denali");
}

#[tokio::test]
async fn a_driver_that_hangs_is_ended_within_a_second_and_its_files_are_removed() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    app.hang.store(true, Ordering::Relaxed);
    let asked = Instant::now();
    app.trigger.next();
    let (dir, exit) = app.ended().await;
    assert_eq!(exit, Exit::Failed);
    assert!(asked.elapsed() >= Duration::from_millis(800), "the driver had its time");
    assert_eq!(dir.read("name"), None);
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_a_driver_that_hangs() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    app.hang.store(true, Ordering::Relaxed);
    let asked = Instant::now();
    app.trigger.next();
    app.trigger.next();
    let (_, exit) = app.ended().await;
    assert_eq!(exit, Exit::Failed);
    assert!(asked.elapsed() < Duration::from_millis(800), "it waited all the same");
}

#[tokio::test]
async fn in_a_pod_no_failure_ends_the_sidecar_before_the_first_success() {
    let app = App::start(&["--in-pod"]).await;
    app.end.send(EndReason::Failed("pool mountains does not exist".into())).await.unwrap();
    eventually("said", async || {
        app.get("/v1/probe").await.1.contains("pool mountains does not exist")
    })
    .await;
    let (code, text) = app.probe(&["--wait", "200ms"]).await;
    assert_eq!((code, text.as_str()), (1, "pool mountains does not exist\n"));
    assert!(!app.running.is_finished());
    // It recovers once the driver does.
    app.hold(["Denali", "17"]).await;
    let (_, exit) = app.end(EndReason::Failed("later".into())).await;
    assert_eq!(exit, Exit::Failed, "after the first success a restart may help");
}

#[tokio::test]
async fn outside_a_pod_a_failure_ends_the_sidecar() {
    let app = App::start(&[]).await;
    let (_, exit) = app.end(EndReason::Failed("no such pool".into())).await;
    assert_eq!(exit, Exit::Failed);
}
