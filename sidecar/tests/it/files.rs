//! The published directory as its readers see it.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cairn_core::claim::ClaimState;
use cairn_core::identity::ClaimJson;
use cairn_core::pool::OnLoss;
use cairn_core::time::BootInstant;

use crate::harness::{App, eventually, held};

/// Reads a file in a loop until it is stopped. Returns every distinct content.
fn hammer(path: PathBuf, stop: Arc<AtomicBool>) -> thread::JoinHandle<BTreeSet<Option<String>>> {
    thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !stop.load(Ordering::Relaxed) {
            seen.insert(match fs::read_to_string(&path) {
                Ok(text) => Some(text),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => panic!("{}: {error}", path.display()),
            });
        }
        seen
    })
}

#[tokio::test]
async fn readers_never_see_an_incomplete_file_during_renewals() {
    let app = App::start(&[]).await;
    let mut snapshot = app.hold(["Denali", "17"]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let read = |name: &str| hammer(app.dir.published().join(name), Arc::clone(&stop));
    let (json, name, env) = (read("claim.json"), read("name"), read("env"));
    for nanos in 1..=200 {
        let slot = snapshot.claims[0].status.identity.slot.as_mut().unwrap();
        slot.valid_until_boottime = BootInstant::from_nanos(nanos);
        app.send(snapshot.clone());
        eventually("renewed", async || {
            let text = app.dir.read("claim.json").unwrap();
            let json: ClaimJson = serde_json::from_str(&text).unwrap();
            json.valid_until_boottime_ns == Some(nanos)
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for text in json.join().unwrap() {
        serde_json::from_str::<ClaimJson>(&text.expect("claim.json disappeared")).unwrap();
    }
    assert_eq!(name.join().unwrap(), BTreeSet::from([Some("Denali".to_owned())]));
    assert_eq!(env.join().unwrap().len(), 1, "env was rewritten though nothing in it changed");
}

#[tokio::test]
async fn readers_never_see_the_name_of_one_claim_with_the_env_of_another() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let read = |name: &str| hammer(app.dir.published().join(name), Arc::clone(&stop));
    let (name, env) = (read("name"), read("env"));
    for turn in 0..100 {
        let mountain = ["Foraker", "Denali"][turn % 2];
        app.send(held(&app.snapshot(), [mountain, "17"]));
        eventually("renamed", async || {
            app.dir.read("env").is_some_and(|env| env.contains(mountain))
        })
        .await;
        assert_eq!(app.dir.read("name").unwrap(), mountain);
    }
    stop.store(true, Ordering::Relaxed);
    for text in name.join().unwrap().into_iter().flatten() {
        assert!(["Foraker", "Denali"].contains(&text.as_str()), "{text}");
    }
    for text in env.join().unwrap().into_iter().flatten() {
        assert_ne!(text.contains("Denali"), text.contains("Foraker"), "{text}");
        assert!(text.ends_with("CAIRN_SNOWFLAKE_FENCE='1-7'\n"), "{text}");
    }
}

#[tokio::test]
async fn every_uid_can_read_the_files_whatever_the_umask_is() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let mode = |name: &str| {
        fs::metadata(app.dir.published().join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("mountains")), (0o755, 0o755));
    assert_eq!(mode("cairn.sock"), 0o666);
    for file in ["name", "prefix", "fence", "claim.json", "env", "snowflake/name"] {
        assert_eq!(mode(file), 0o644, "{file}");
    }
    // Another uid can use the socket too.
    assert_eq!(app.probe(&[]).await, (0, String::new()));
}

#[tokio::test]
async fn a_claim_that_is_shown_as_held_has_its_files() {
    for _ in 0..20 {
        let app = App::start(&[]).await;
        app.send(held(&app.snapshot(), ["Denali", "17"]));
        let (status, _) = app.get("/v1/probe?wait_ms=10000").await;
        assert_eq!(status, 200);
        assert_eq!(app.dir.read("name").unwrap(), "Denali");
        assert!(app.dir.read("env").unwrap().contains("CAIRN_SNOWFLAKE_NAME='17'"));
    }
}

#[tokio::test]
async fn the_files_of_a_stop_claim_go_with_its_loss_and_come_back_with_it() {
    let app = App::start(&[]).await;
    let snapshot = app.hold(["Denali", "17"]).await;
    let mut lost = snapshot.clone();
    lost.claims[1].status.identity.state = ClaimState::Degraded;
    lost.claims[1].status.identity.reason = Some("etcd does not answer".into());
    app.send(lost);
    eventually("not alive", async || app.admin("/app/livez").await.0 == 503).await;
    let (_, message) = app.admin("/app/livez").await;
    assert!(message.contains("snowflake") && message.contains("etcd does not answer"));
    assert_eq!((app.dir.read("env"), app.dir.read("snowflake/name")), (None, None));
    assert_eq!(app.dir.read("name").unwrap(), "Denali", "a Keep pool keeps its files");
    app.send(snapshot);
    eventually("alive", async || app.admin("/app/livez").await.0 == 200).await;
    assert_eq!(app.dir.read("snowflake/name").unwrap(), "17");
    assert!(app.dir.read("env").is_some());
}

#[tokio::test]
async fn a_restart_of_the_sidecar_removes_no_files() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let names = ["name", "snowflake/name", "env", "claim.json"];
    let readers = names.map(|name| hammer(app.dir.published().join(name), Arc::clone(&stop)));
    let app = App::start_in(app.kill().await, &[]).await;
    assert_eq!(app.admin("/app/livez").await.0, 200, "the old claim is good until its deadline");
    assert_eq!(app.admin("/readyz").await.0, 503, "but nothing is held yet");
    app.hold(["Denali", "17"]).await;
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(!reader.join().unwrap().contains(&None));
    }
}

#[tokio::test]
async fn a_restarted_sidecar_stops_the_app_when_the_old_deadline_passes_without_etcd() {
    let app = App::start(&[]).await;
    let mut snapshot = app.hold(["Denali", "17"]).await;
    let slot = snapshot.claims[1].status.identity.slot.as_mut().unwrap();
    slot.valid_until_boottime = BootInstant::from_nanos(1);
    app.send(snapshot);
    eventually("renewed", async || {
        app.dir.read("snowflake/claim.json").unwrap().contains("\"valid_until_boottime_ns\":1,")
    })
    .await;
    let app = App::start_in(app.kill().await, &[]).await;
    assert_eq!(app.snapshot().claims[1].status.on_loss, None, "the driver knows nothing yet");
    eventually("files gone", async || app.dir.read("snowflake/name").is_none()).await;
    eventually("app stopped", async || app.admin("/app/livez").await.0 == 503).await;
    assert_eq!(app.dir.read("env"), None);
    assert_eq!(app.dir.read("mountains/name").unwrap(), "Denali");
}

#[tokio::test]
async fn a_claim_is_not_held_while_its_files_cannot_be_written() {
    let app = App::start(&[]).await;
    let obstacle = app.dir.published().join("mountains");
    fs::write(&obstacle, "in the way").unwrap();
    app.send(held(&app.snapshot(), ["Denali", "17"]));
    eventually("said", async || app.get("/v1/probe").await.1.contains("cannot make the directory"))
        .await;
    assert!(app.admin("/metrics").await.1.contains("cairn_sidecar_claim_unpublished 1"));
    fs::remove_file(obstacle).unwrap();
    eventually("held", async || app.get("/v1/probe").await.0 == 200).await;
    assert_eq!(app.dir.read("name").unwrap(), "Denali");
}

#[tokio::test]
async fn a_claim_that_waits_publishes_no_name() {
    let app = App::start(&[]).await;
    let mut snapshot = held(&app.snapshot(), ["Denali", "17"]);
    snapshot.claims[1].status.identity.state = ClaimState::Waiting;
    snapshot.claims[1].was_held = false;
    snapshot.claims[1].status.on_loss = Some(OnLoss::Stop);
    app.send(snapshot);
    eventually("first pool", async || app.dir.read("name").is_some()).await;
    assert_eq!((app.dir.read("env"), app.dir.read("snowflake/name")), (None, None));
    assert_eq!(app.admin("/app/livez").await.0, 200);
}
