//! Reviews and probes are answered whatever others do to the webhook's ports, and its memory stays below the limit of
//! the chart. How long reviews take meanwhile: `benches/flood.rs`.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test; clippy.toml exempts test functions only"
)]

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::webhook::{DEADLINE, NAME, Webhook, connect_from};

mod webhook;

/// The memory limit of the webhook's container in the chart.
const MEMORY_LIMIT: u64 = 128 << 20;
const EVICTED: &str = "cairn_webhook_connections_evicted_total{listener=\"admission\"";
const OPEN: &str = "cairn_webhook_connections_open{listener=\"admission\"}";
const LARGE: usize = 64 << 20;
/// The largest body, and what the kernel keeps for sender and receiver.
const TAKEN_AT_MOST: usize = 20 << 20;

/// The process of [`start`].
#[test]
#[ignore = "not a test: the others run it in a process of its own"]
fn serves() {
    webhook::serve();
}

fn start() -> Webhook {
    Webhook::start(&["--exact", "serves", "--ignored", "--nocapture"])
}

/// An address of the machine that is neither the kubelet's nor the API server's.
fn other(i: usize) -> u8 {
    2 + u8::try_from(i % 100).unwrap()
}

fn stays_small(webhook: &Webhook) {
    let peak = webhook.peak_memory();
    println!("the webhook has taken {} MiB", peak >> 20);
    assert!(peak < MEMORY_LIMIT, "{} MiB", peak >> 20);
}

#[tokio::test]
async fn two_thousand_stalled_handshakes_keep_no_review_out() {
    let webhook = start();
    let mut held = Vec::new();
    for i in 0..2000 {
        // One of them is the API server's own address.
        let last = 1 + u8::try_from(i % 4).unwrap();
        let mut stream = connect_from(last, webhook.admission).await.unwrap();
        // A TLS record that announces more than ever comes.
        stream.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        held.push(stream);
        if i % 100 == 99 {
            webhook.admits().await;
        }
    }
    assert!(webhook.count(EVICTED).await >= 1400);
    assert!(webhook.count(OPEN).await <= 512);
    stays_small(&webhook);
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_no_review_out() {
    let webhook = start();
    let mut held = Vec::new();
    for i in 0..10_000 {
        held.push(connect_from(other(i), webhook.admission).await.unwrap());
        if i % 500 == 0 {
            webhook.admits().await;
        }
    }
    webhook.admits().await;
    assert!(webhook.count(EVICTED).await >= 9400);
    assert!(webhook.count(OPEN).await <= 512);
    stays_small(&webhook);
}

#[tokio::test]
async fn connections_that_are_idle_after_their_handshake_keep_no_review_out() {
    let webhook = start();
    let mut held = Vec::new();
    for i in 0..700 {
        let mut stream = webhook.secured_from(other(i)).await;
        // As much of a request as a server keeps before it knows the route.
        let _ = stream.write_all(b"POST /mutate HTTP/1.1\r\nx: ").await;
        let _ = stream.write_all(&[b'x'; 12 * 1024]).await;
        held.push(stream);
        if i % 100 == 99 {
            webhook.admits().await;
        }
    }
    assert!(webhook.count(OPEN).await <= 512);
    stays_small(&webhook);
}

#[tokio::test]
async fn bodies_that_never_end_take_no_more_than_their_budget_and_keep_no_review_out() {
    let webhook = start();
    let begin = format!("POST /mutate HTTP/1.1\r\nhost: {NAME}\r\ncontent-length: 4000000\r\n\r\n");
    let body = vec![b' '; 3_900_000];
    let mut held = Vec::new();
    for i in 0..24 {
        let mut stream = webhook.secured_from(other(i)).await;
        // It fails when this connection is the one that is evicted.
        let _ = stream.write_all(begin.as_bytes()).await;
        let _ = stream.write_all(&body).await;
        held.push(stream);
        webhook.admits().await;
    }
    let evicted =
        "cairn_webhook_connections_evicted_total{listener=\"admission\",reason=\"body_budget\"}";
    let too_slow =
        "cairn_webhook_connections_timed_out_total{listener=\"admission\",phase=\"body\"}";
    // The last bodies may still be in the kernel's buffers. On a slow machine the first ones reach the
    // deadline of a body, and need not be evicted then.
    let fitting = 32 * 1024 * 1024 / 3_900_000;
    let ended = async {
        while webhook.count(evicted).await + webhook.count(too_slow).await < 24 - fitting {}
    };
    timeout(DEADLINE, ended).await.unwrap();
    assert!(webhook.count(evicted).await > 0);
    stays_small(&webhook);
}

#[tokio::test]
async fn bodies_of_64_mib_are_cut_off_early_and_keep_no_review_out() {
    let webhook = start();
    let mut floods = JoinSet::new();
    for i in 0..24 {
        let stream = webhook.secured_from(other(i)).await;
        floods.spawn(flood(stream, i % 2 == 0));
        webhook.admits().await;
    }
    while let Some(sent) = timeout(DEADLINE, floods.join_next()).await.unwrap() {
        let sent = sent.unwrap();
        assert!(sent < TAKEN_AT_MOST, "{} MiB were taken", sent >> 20);
    }
    webhook.admits().await;
    stays_small(&webhook);
}

/// Sends a large body until it is cut off. Returns how much of it was taken.
async fn flood(mut stream: TlsStream<TcpStream>, declared: bool) -> usize {
    let length = if declared {
        format!("content-length: {LARGE}")
    } else {
        "transfer-encoding: chunked".to_owned()
    };
    let head = format!("POST /mutate HTTP/1.1\r\nhost: {NAME}\r\n{length}\r\n\r\n");
    let data = vec![b' '; 64 * 1024];
    let chunk = if declared { data } else { [b"10000\r\n", &data[..], b"\r\n"].concat() };
    let _ = stream.write_all(head.as_bytes()).await;
    let mut sent = 0;
    while sent < LARGE && stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    sent
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_no_probe_out() {
    let webhook = start();
    let mut held = Vec::new();
    for i in 0..10_000 {
        held.push(connect_from(other(i), webhook.admin).await.unwrap());
        if i % 500 == 0 {
            webhook.admin("/readyz").await;
        }
    }
    webhook.admin("/livez").await;
    assert!(webhook.count("cairn_webhook_connections_open{listener=\"admin\"}").await <= 256);
    stays_small(&webhook);
}
