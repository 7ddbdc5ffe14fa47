//! What comes between accept and HTTP, on real sockets and tokio's paused clock.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test; clippy.toml exempts test functions only"
)]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cairn_kit::serve::{Handshake, Limits, Metrics, Server, bind};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{advance, timeout};

/// A handshake of so many bytes.
const HANDSHAKE: usize = 9;
/// No test waits this long unless it fails.
const DEADLINE: Duration = Duration::from_secs(20);

/// Reads the bytes of the handshake and answers nothing.
#[derive(Clone)]
struct Silent;

impl Handshake<TcpStream> for Silent {
    type Io = TcpStream;

    async fn handshake(&self, mut io: TcpStream) -> io::Result<TcpStream> {
        io.read_exact(&mut [0; HANDSHAKE]).await?;
        Ok(io)
    }
}

fn serve(limits: Limits) -> (SocketAddr, Registry) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let listener = bind("--listen", (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/livez", get(async || "ok\n"));
    let server = Server::new("test", routes, limits, &metrics).with_handshake(Silent);
    tokio::spawn(server.run(listener));
    (address, registry)
}

async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_trickles_in_is_cut_off() {
    let (address, registry) = serve(Limits::small(8));
    let mut slow = TcpStream::connect(address).await.unwrap();
    for _ in 0..4 {
        slow.write_all(b"x").await.unwrap();
        settle().await;
        advance(Duration::from_millis(1300)).await;
    }
    let read = timeout(DEADLINE, slow.read(&mut [0; 1])).await.unwrap();
    assert_eq!(read.unwrap_or(0), 0);
    let mut metrics = String::new();
    text::encode(&mut metrics, &registry).unwrap();
    let counted = "connections_timed_out_total{listener=\"test\",phase=\"handshake\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn the_time_for_headers_begins_after_the_handshake() {
    let (address, _) = serve(Limits::small(8));
    let mut stream = TcpStream::connect(address).await.unwrap();
    settle().await;
    advance(Duration::from_secs(4)).await;
    stream.write_all(&[b'x'; HANDSHAKE]).await.unwrap();
    settle().await;
    advance(Duration::from_secs(4)).await;
    stream.write_all(b"GET /livez HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with("ok\n"), "{answer}");
}
