//! The claims API over the socket and over loopback.

use std::time::Duration;

use cairn_core::claim::ClaimState;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::harness::{App, LONGEST_WAIT, eventually, get, held, request};

/// The data of server-sent events.
struct Events(Lines<BufReader<UnixStream>>);

impl Events {
    async fn open(app: &App, path: &str) -> Self {
        let mut stream = UnixStream::connect(app.dir.published().join("cairn.sock")).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: cairn\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(BufReader::new(stream).lines())
    }

    async fn next(&mut self) -> Value {
        loop {
            let line = timeout(LONGEST_WAIT, self.0.next_line()).await.unwrap().unwrap().unwrap();
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    async fn status(&mut self) -> String {
        timeout(LONGEST_WAIT, self.0.next_line()).await.unwrap().unwrap().unwrap()
    }
}

#[tokio::test]
async fn the_socket_and_loopback_show_the_same_claims_as_the_files() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let (status, text) = app.get("/v1/claims").await;
    assert_eq!(status, 200);
    let json: Value = serde_json::from_str(&text).unwrap();
    let file: Value = serde_json::from_str(&app.dir.read("claim.json").unwrap()).unwrap();
    assert_eq!(json["claims"][0], file);
    assert_eq!(json["claims"][1]["name"], "17");
    let over_tcp = get(TcpStream::connect(app.api).await.unwrap(), "/v1/claims").await;
    assert_eq!(over_tcp, (200, text));
    let (_, one) = app.get("/v1/claims/mountains").await;
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap(), file);
}

#[tokio::test]
async fn wrong_requests_get_one_message_as_json() {
    let app = App::start(&[]).await;
    let message = |body: &str| {
        let json: Value = serde_json::from_str(body).unwrap();
        json["error"].as_str().unwrap().to_owned()
    };
    let (status, body) = app.get("/v1/claims/montains").await;
    assert_eq!(status, 404);
    assert_eq!(
        message(&body),
        "this pod claims nothing from pool 'montains'; it claims from mountains, snowflake"
    );
    let (status, body) = app.get("/claims").await;
    assert_eq!((status, message(&body).contains("/v1/claims/<pool>")), (404, true));
    let stream = TcpStream::connect(app.api).await.unwrap();
    let (status, body) = request(stream, "DELETE", "/v1/claims").await;
    assert_eq!((status, message(&body).contains("use GET")), (405, true));
    let (status, body) = app.get("/v1/probe?wait_ms=x").await;
    assert_eq!((status, message(&body).contains("wait_ms=900")), (400, true));
}

#[tokio::test]
async fn a_watcher_gets_the_state_at_once_and_then_each_change() {
    let app = App::start(&[]).await;
    let mut events = Events::open(&app, "/v1/claims?watch").await;
    assert_eq!(events.next().await["claims"][0]["state"], "waiting");
    let snapshot = app.hold(["Denali", "17"]).await;
    assert_eq!(events.next().await["claims"][0]["name"], "Denali");
    // An unchanged state is no event: the next event is the change after it.
    app.send(snapshot.clone());
    let mut degraded = snapshot;
    degraded.claims[0].status.identity.state = ClaimState::Degraded;
    app.send(degraded);
    assert_eq!(events.next().await["claims"][0]["state"], "degraded");
}

#[tokio::test]
async fn a_watcher_of_one_pool_gets_no_events_of_other_pools() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let mut events = Events::open(&app, "/v1/claims/mountains?watch").await;
    assert_eq!(events.next().await["name"], "Denali");
    let mut snapshot = app.snapshot();
    snapshot.claims[1].status.identity.state = ClaimState::Degraded;
    app.send(snapshot.clone());
    eventually("degraded", async || app.get("/v1/claims/snowflake").await.1.contains("degraded"))
        .await;
    snapshot.claims[0].status.identity.state = ClaimState::Lost;
    app.send(snapshot);
    assert_eq!(events.next().await["state"], "lost");
}

#[tokio::test]
async fn watchers_never_keep_the_probe_out() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let mut watchers = Vec::new();
    for _ in 0..32 {
        let mut events = Events::open(&app, "/v1/claims?watch").await;
        assert_eq!(events.status().await, "HTTP/1.1 200 OK");
        watchers.push(events);
    }
    let (status, body) = app.get("/v1/claims?watch").await;
    assert_eq!(status, 503, "{body}");
    assert_eq!(app.get("/v1/probe").await.0, 200);
    // A watcher that leaves makes room for another.
    watchers.clear();
    eventually("room", async || {
        let mut events = Events::open(&app, "/v1/claims?watch").await;
        events.status().await == "HTTP/1.1 200 OK"
    })
    .await;
}

#[tokio::test]
async fn silent_clients_are_disconnected() {
    let app = App::start(&[]).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(UnixStream::connect(app.dir.published().join("cairn.sock")).await.unwrap());
    }
    let answered = timeout(Duration::from_secs(15), app.get("/v1/probe")).await;
    assert_eq!(answered.expect("the probe was kept out").0, 503);
}

#[tokio::test]
async fn a_waiting_probe_succeeds_as_soon_as_the_claims_are_held() {
    let app = App::start(&[]).await;
    let asked = tokio::time::Instant::now();
    let answer = app.get("/v1/probe?wait_ms=15000");
    let claim = async {
        tokio::task::yield_now().await;
        app.send(held(&app.snapshot(), ["Denali", "17"]));
    };
    let ((status, _), ()) = tokio::join!(answer, claim);
    assert_eq!(status, 200);
    assert!(asked.elapsed() < Duration::from_secs(10));
}
