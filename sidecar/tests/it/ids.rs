//! `POST /v1/ids` over the socket and over loopback.

use cairn_core::claim::ClaimState;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};

use crate::harness::{App, request};

impl App {
    async fn post(&self, path: &str) -> (u16, Value) {
        let stream = UnixStream::connect(self.dir.published().join("cairn.sock")).await.unwrap();
        let (status, body) = request(stream, "POST", path).await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

fn message(body: &Value) -> &str {
    body["error"].as_str().unwrap()
}

#[tokio::test]
async fn ids_are_minted_under_the_held_node_id() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let (status, body) = app.post("/v1/ids?count=100").await;
    assert_eq!((status, &body["pool"], &body["name"]), (200, &"snowflake".into(), &"17".into()));
    assert_eq!(body["fence"], serde_json::json!({"epoch": 1, "revision": 7}));
    let ids = body["ids"].as_array().unwrap();
    let ids: Vec<u64> = ids.iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(ids.len(), 100);
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert!(ids.iter().all(|id| id >> 12 & 1023 == 17));
    // One ID, over loopback, from a named pool.
    let stream = TcpStream::connect(app.api).await.unwrap();
    let (status, body) = request(stream, "POST", "/v1/ids?pool=snowflake").await;
    assert_eq!(status, 200);
    let one: Value = serde_json::from_str(&body).unwrap();
    let one: u64 = one["ids"][0].as_str().unwrap().parse().unwrap();
    assert!(one > ids[99]);
    assert!(app.dir.read("snowflake/ids.json").unwrap().contains("\"uid\":\"u\""));
}

#[tokio::test]
async fn flags_set_the_layout_and_the_epoch() {
    let app = App::start(&["--id-layout", "42/14/7", "--id-epoch", "2026-01-01T00:00:00Z"]).await;
    app.hold(["Denali", "17"]).await;
    let (_, body) = app.post("/v1/ids").await;
    let id: u64 = body["ids"][0].as_str().unwrap().parse().unwrap();
    assert_eq!(id >> 7 & 0x3fff, 17);
    // Forty years in milliseconds: the epoch counts.
    assert!(id >> 21 < 40 * 366 * 24 * 3600 * 1000, "{id}");
}

#[tokio::test]
async fn wrong_requests_for_ids_get_one_message() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    for (path, status, expected) in [
        ("/v1/ids?count=0", 400, "count '0' is not a number from 1 to 4096"),
        ("/v1/ids?count=5000", 400, "write it like count=100"),
        ("/v1/ids?pool=mountains", 400, "pool 'mountains' reserves no time for IDs; ask for"),
        ("/v1/ids?pool=snowflak", 404, "it claims from mountains, snowflake"),
    ] {
        let (found, body) = app.post(path).await;
        assert!(found == status && message(&body).contains(expected), "{path}: {found} {body}");
    }
    let (status, body) = app.get("/v1/ids").await;
    assert_eq!((status, body.contains("use POST")), (405, true));
    let (status, body) = app.post("/v1/claims").await;
    assert_eq!((status, message(&body).contains("use GET")), (405, true));
}

#[tokio::test]
async fn nothing_is_minted_before_the_claim_is_held_or_after_its_loss() {
    let app = App::start(&[]).await;
    let (status, body) = app.post("/v1/ids").await;
    assert_eq!(
        (status, message(&body)),
        (503, "pool 'mountains' is waiting: asking etcd for a name")
    );
    let (status, body) = app.post("/v1/ids?pool=snowflake").await;
    assert_eq!(
        (status, message(&body)),
        (503, "pool 'snowflake' is waiting: asking etcd for a name")
    );
    let mut snapshot = app.hold(["Denali", "17"]).await;
    assert_eq!(app.post("/v1/ids").await.0, 200);
    snapshot.claims[1].status.identity.state = ClaimState::Lost;
    app.send(snapshot);
    let stream = UnixStream::connect(app.dir.published().join("cairn.sock")).await.unwrap();
    let (head, _) = crate::harness::exchange(stream, "POST", "/v1/ids").await;
    assert!(head.starts_with("HTTP/1.1 503") && head.contains("retry-after: 1"), "{head}");
}

#[tokio::test]
async fn a_pod_without_node_ids_gets_a_message_that_names_a_pool() {
    let app = App::start(&["--pool", "mountains"]).await;
    let mut snapshot = crate::harness::held(&app.snapshot(), ["Denali", ""]);
    snapshot.claims.truncate(1);
    app.send(snapshot);
    app.eventually("held", async || app.get("/v1/probe").await.0 == 200).await;
    let (status, body) = app.post("/v1/ids").await;
    assert_eq!(status, 404);
    assert!(message(&body).contains("claim from one that does, such as snowflake"), "{body}");
}

#[tokio::test]
async fn released_claims_leave_no_checkpoint() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    assert_eq!(app.post("/v1/ids").await.0, 200);
    app.trigger.next();
    let (dir, _) = app.ended().await;
    assert!(!dir.published().join("snowflake").exists());
}
