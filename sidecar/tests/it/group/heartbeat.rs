//! An app that promised to call, calls, and hangs.

use std::net::TcpListener;
use std::time::Duration;

use cairn_kit::clock;
use cairn_store::Kv as _;
use cairn_store::etcd::Etcd;
use cairn_test_etcd::TestEtcd;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{Member, until};
use crate::harness::get;

async fn livez(port: u16) -> (u16, String) {
    get(TcpStream::connect(("127.0.0.1", port)).await.unwrap(), "/app/livez").await
}

#[tokio::test]
async fn an_app_that_hangs_loses_its_shards_at_its_last_heartbeat_and_is_to_be_stopped() {
    let etcd = TestEtcd::start().unwrap();
    let port = free_port();
    let admin = format!("127.0.0.1:{port}");
    let flags = ["--coordinate", "shards", "--shards", "4", "--participate", "start"];
    let flags = flags.into_iter().chain(["--heartbeat", "2s", "--admin", &admin]);
    let member = Member::start(&etcd, &flags.collect::<Vec<_>>());
    let waits = async || {
        let shards = member.json("/v1/shards").await;
        shards
            .is_some_and(|shards| shards["reason"].to_string().contains("waits for the app's POST"))
    };
    until("waits for the app", &[], waits).await;
    assert_eq!(livez(port).await.0, 200, "an app that has not called may not run yet");

    let beat = async || {
        let before = clock::now().boot;
        let (status, answer) = member.ask("POST", "/v1/heartbeat", "").await;
        assert_eq!(status, 200, "{answer}");
        (before, serde_json::from_str::<Value>(&answer).unwrap())
    };
    let owns = async || {
        beat().await;
        member.shards().await.len() == 4
    };
    until("owns all", &[], owns).await;
    let (_, beaten) = beat().await;
    let after = clock::now().boot;
    let shards = member.json("/v1/shards").await.unwrap();
    let told = shards["valid_until_boottime_ns"].as_u64().unwrap();
    assert!(told <= after.as_nanos() + 2_000_000_000, "told beyond the heartbeat");
    assert_eq!(
        (&beaten["next_within_ms"], &beaten["state"]),
        (&2000.into(), &"participant".into())
    );
    let fence = "{\"fence\":{\"epoch\":1,\"revision\":2}}";
    assert_eq!(member.ask("POST", "/v1/heartbeat", fence).await.0, 409, "not this pod's fence");

    // Now it hangs.
    until("nothing is served", &[], async || member.shards().await.is_empty()).await;
    until("the app is to be stopped", &[], async || livez(port).await.0 == 503).await;
    let (_, why) = livez(port).await;
    assert!(why.contains("has not called POST /v1/heartbeat for 2s"), "{why}");
    assert_eq!(member.lines(), Vec::<u64>::new());
    // It has left. Nothing but a call, or a restart of the app, brings it back.
    let left = async || {
        let (status, why) = member.ask("PUT", "/v1/self/state", "participant").await;
        status == 503 && why.contains("has not called POST /v1/heartbeat")
    };
    until("left", &[], left).await;
    assert_eq!(livez(port).await.0, 503);
    beat().await;
    until("back", &[], async || livez(port).await.0 == 200).await;
    until("owns all again", &[], owns).await;
}

/// A member of Stop pool `snowflake` whose app has called, and hangs: it has left the group.
async fn hung(etcd: &TestEtcd, port: u16) -> Member {
    let admin = format!("127.0.0.1:{port}");
    let flags = ["--coordinate", "peers", "--pool", "snowflake", "--new-store"];
    let flags = flags.into_iter().chain(["--heartbeat", "2s", "--admin", &admin]);
    let member = Member::start(etcd, &flags.collect::<Vec<_>>());
    until("claimed", &[], async || member.dir.read("name").as_deref() == Some("0")).await;
    // The kubelet starts two containers.
    for container in ["app", "beside"] {
        let started = async || probe(port, "startupz", container).await == 200;
        until("started", &[], started).await;
        assert_eq!(probe(port, "livez", container).await, 200);
    }
    assert_eq!(member.ask("POST", "/v1/heartbeat", "").await.0, 200);
    let left = async || {
        let (refused, told) = member.ask("PUT", "/v1/self/tags/a", "b").await;
        refused == 503 && told.contains("has not called POST /v1/heartbeat")
    };
    until("left", &[], left).await;
    member
}

async fn probe(port: u16, which: &str, container: &str) -> u16 {
    let path = format!("/app/{which}/{container}");
    get(TcpStream::connect(("127.0.0.1", port)).await.unwrap(), &path).await.0
}

/// Keys below a prefix in etcd.
async fn keys(etcd: &TestEtcd, part: &str) -> Vec<String> {
    let endpoints = [etcd.url().to_owned()];
    let etcd = Etcd::connect(&endpoints, None, Duration::from_secs(5)).await.unwrap();
    let found = etcd.read_all("/cairn/v1/").await.unwrap().into_iter().map(|found| found.key);
    found.filter(|key| key.contains(part)).collect()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_stop_claim_of_an_app_that_hangs_is_given_up_in_etcd_and_is_back_with_the_restarted_app()
{
    let (etcd, port) = (TestEtcd::start().unwrap(), free_port());
    let member = hung(&etcd, port).await;
    until("withdrawn", &[], async || member.dir.read("name").is_none()).await;
    let slots = async || keys(&etcd, "/snowflake/-/s/").await;
    until("given up", &[], async || slots().await.is_empty()).await;
    let rests = keys(&etcd, "/snowflake/-/x/").await;
    assert_eq!(rests.len(), 1, "it is quarantined: {rests:?}");
    assert_eq!([probe(port, "livez", "app").await, probe(port, "livez", "beside").await], [503; 2]);

    // The kubelet restarts one container. The other may be the one that hangs.
    assert_eq!(probe(port, "startupz", "app").await, 503, "there is no claim yet");
    assert_eq!(probe(port, "livez", "beside").await, 503);
    assert!(slots().await.is_empty());
    // And the other: the name is claimed again before the app may start.
    for container in ["beside", "app"] {
        let started = async || probe(port, "startupz", container).await == 200;
        until("started again", &[], started).await;
        assert_eq!(probe(port, "livez", container).await, 200);
    }
    assert_eq!(member.dir.read("name").as_deref(), Some("0"), "the same name");
    assert_eq!(slots().await.len(), 1);
    let beats = async || member.ask("POST", "/v1/heartbeat", "").await.0 == 200;
    until("calls", &[], beats).await;
}

#[tokio::test]
async fn a_drain_counts_that_comes_while_the_app_is_away() {
    let (etcd, port) = (TestEtcd::start().unwrap(), free_port());
    let member = hung(&etcd, port).await;
    let (drained, said) = member.drain().await;
    assert!(drained, "{said}");
    let over = async || {
        let (status, why) = member.ask("POST", "/v1/heartbeat", "").await;
        status == 503 && why.contains("has left the group")
    };
    until("it does not come back", &[], over).await;
    assert_eq!(keys(&etcd, "/g/g/m/").await, Vec::<String>::new());
}
