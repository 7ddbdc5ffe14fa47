//! An app that promised to call, calls, and hangs.

use std::net::TcpListener;

use cairn_kit::clock;
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
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
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
    // After the time that the kubelet needs, the pod is back for the restarted app.
    until("back", &[], async || livez(port).await.0 == 200 && waits().await).await;
}
