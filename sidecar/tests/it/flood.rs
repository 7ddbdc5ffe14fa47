//! The sidecar responds to probes whatever other clients do to its ports.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;

use crate::harness::{App, LONGEST_WAIT, get};

/// The headers of a request without their end.
const HALF: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n";

/// A connection from another address than that of the probe.
async fn connect_from(last: u8, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

/// The liveness probe of the app, as the kubelet sends it: on a new connection.
async fn probe(app: &App) {
    let stream = TcpStream::connect(app.admin).await.unwrap();
    let answer = timeout(LONGEST_WAIT, get(stream, "/app/livez")).await.unwrap();
    assert_eq!(answer, (200, "ok\n".to_owned()));
}

/// The value of a counter of connections.
async fn count(app: &App, metric: &str) -> u64 {
    let (_, text) = app.admin("/metrics").await;
    let values = text.lines().filter_map(|line| line.strip_prefix(metric));
    values.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

const OPEN: &str = "cairn_sidecar_connections_open{listener=\"admin\"}";
const EVICTED: &str = "cairn_sidecar_connections_evicted_total{listener=\"admin\"";

#[tokio::test]
async fn five_hundred_half_open_connections_keep_no_probe_out() {
    let app = App::start(&[]).await;
    // From the address of the probe and from another one.
    for last in [1, 2] {
        let evicted = count(&app, EVICTED).await;
        let mut held = Vec::new();
        for _ in 0..500 {
            let mut stream = connect_from(last, app.admin).await;
            stream.write_all(HALF).await.unwrap();
            held.push(stream);
            if held.len() % 50 == 0 {
                probe(&app).await;
            }
        }
        assert!(count(&app, EVICTED).await >= evicted + 300);
        assert!(count(&app, OPEN).await <= 256);
    }
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_no_probe_out() {
    let app = App::start(&[]).await;
    let mut held = Vec::new();
    for i in 0..10_000 {
        held.push(connect_from(2 + u8::try_from(i % 100).unwrap(), app.admin).await);
        if i % 500 == 0 {
            probe(&app).await;
        }
    }
    probe(&app).await;
    assert!(count(&app, EVICTED).await >= 9_700);
    assert!(count(&app, OPEN).await <= 256);
}

#[tokio::test]
async fn a_client_that_asks_without_reading_keeps_no_probe_out() {
    let app = App::start(&[]).await;
    let requests = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let mut held = Vec::new();
    for _ in 0..40 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into()).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(app.admin).await.unwrap();
        stream.write_all(&requests).await.unwrap();
        held.push(stream);
        probe(&app).await;
    }
}

#[tokio::test]
async fn an_app_that_fills_the_socket_does_not_keep_the_startup_probe_out() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let socket = app.dir.published().join("cairn.sock");
    let mut held = Vec::new();
    for i in 0..200 {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        // Half of them wait for the next change, as watchers do, until the sidecar closes them.
        if i % 2 == 0 {
            let watch = b"GET /v1/claims?watch HTTP/1.1\r\nHost: x\r\n\r\n";
            stream.write_all(watch).await.unwrap();
            let _ = timeout(LONGEST_WAIT, stream.read_u8()).await.unwrap();
        }
        held.push(stream);
    }
    assert_eq!(app.probe(&["--wait", "10s"]).await, (0, String::new()));
}
