//! The server on real sockets. Deadlines run on tokio's paused clock, so that minutes pass at once.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed expectation is a failed test; clippy.toml exempts test functions only"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use cairn_kit::serve::{Limits, Metrics, Peer, Server, Stream, bind};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{advance, timeout};

/// No test waits this long unless it fails.
const DEADLINE: Duration = Duration::from_secs(20);
const REQUEST: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

struct Service {
    address: SocketAddr,
    registry: Registry,
    close: watch::Sender<bool>,
    task: JoinHandle<()>,
    release: watch::Sender<bool>,
}

impl Service {
    fn start(limits: Limits) -> Self {
        let (release, released) = watch::channel(false);
        let held = move || {
            let mut released = released.clone();
            async move {
                let _ = released.wait_for(|released| *released).await;
                "late\n"
            }
        };
        let routes = Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/held", get(held))
            .route("/endless", get(endless))
            .route("/peer", get(async |Extension(peer): Extension<Peer>| format!("{peer:?}")))
            .route("/length", post(async |body: Bytes| body.len().to_string()))
            .layer(DefaultBodyLimit::max(1 << 20));
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let listener = bind("--listen", (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (close, closing) = watch::channel(false);
        let server = Server::new("test", routes, limits, &metrics);
        let task = tokio::spawn(server.run_until(listener, closing));
        Self { address, registry, close, task, release }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// From another address of this machine.
    async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// The value of one metric; 0 when it was never counted.
    fn count(&self, metric: &str) -> u64 {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).unwrap();
        let line = out.lines().find_map(|line| line.strip_prefix(metric));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    fn evicted(&self, reason: &str) -> u64 {
        self.count(&format!("connections_evicted_total{{listener=\"test\",reason=\"{reason}\"}}"))
    }

    fn timed_out(&self, phase: &str) -> u64 {
        self.count(&format!("connections_timed_out_total{{listener=\"test\",phase=\"{phase}\"}}"))
    }

    fn open(&self) -> u64 {
        self.count("connections_open{listener=\"test\"}")
    }
}

/// Bytes without end, as a stream that is declared as one.
async fn endless() -> Response {
    let chunks =
        std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 4096])));
    let body = Body::from_stream(futures::stream::iter(chunks));
    (Extension(Stream), body).into_response()
}

async fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

/// What arrives next.
async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let read = timeout(DEADLINE, stream.read(&mut buffer)).await.unwrap().unwrap_or(0);
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    answer(stream).await.is_empty()
}

/// Lets everything happen that can happen without time.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test]
async fn one_connection_too_many_evicts_the_idlest_of_the_greediest_peer() {
    let service = Service::start(Limits { connections: 4, per_peer: 4, ..Limits::small(4) });
    let mut modest = service.connect_from(2).await;
    let mut idlest = service.connect_from(3).await;
    let mut others = [service.connect_from(3).await, service.connect_from(3).await];
    let mut newcomer = service.connect_from(4).await;
    assert!(ask(&mut newcomer, REQUEST).await.ends_with("ok\n"));
    assert!(is_closed(&mut idlest).await);
    for stream in [&mut modest].into_iter().chain(&mut others) {
        assert!(ask(stream, REQUEST).await.ends_with("ok\n"));
    }
    assert_eq!((service.evicted("listener_full"), service.evicted("peer_limit")), (1, 0));
    assert_eq!(service.open(), 4);
}

#[tokio::test]
async fn a_peer_with_too_many_connections_loses_its_own() {
    let service = Service::start(Limits { connections: 8, per_peer: 2, ..Limits::small(8) });
    let mut other = service.connect_from(2).await;
    let mut greedy = Vec::new();
    for _ in 0..5 {
        greedy.push(service.connect_from(3).await);
    }
    assert!(ask(&mut greedy[4], REQUEST).await.ends_with("ok\n"));
    for stream in &mut greedy[..3] {
        assert!(is_closed(stream).await);
    }
    assert!(ask(&mut other, REQUEST).await.ends_with("ok\n"));
    assert_eq!((service.evicted("listener_full"), service.evicted("peer_limit")), (0, 3));
}

#[tokio::test]
async fn a_request_that_is_being_answered_outlives_idle_connections() {
    let service = Service::start(Limits { connections: 2, per_peer: 2, ..Limits::small(2) });
    let mut held = service.connect().await;
    held.write_all(b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    settle().await;
    for _ in 0..20 {
        assert!(ask(&mut service.connect().await, REQUEST).await.ends_with("ok\n"));
        service.connect().await;
    }
    service.release.send_replace(true);
    assert!(answer(&mut held).await.ends_with("late\n"));
}

#[tokio::test]
async fn a_request_that_waits_in_the_backlog_is_answered_before_it_can_be_evicted() {
    let service = Service::start(Limits { connections: 2, per_peer: 2, ..Limits::small(2) });
    // Nothing yields to the server before all of them are in its backlog.
    let connect = || {
        use std::io::Write as _;
        let mut stream = std::net::TcpStream::connect(service.address).unwrap();
        stream.write_all(REQUEST.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        TcpStream::from_std(stream).unwrap()
    };
    let streams: Vec<TcpStream> = (0..50).map(|_| connect()).collect();
    for mut stream in streams {
        assert!(answer(&mut stream).await.ends_with("ok\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_outlasts_the_pools_of_clients_and_then_ends() {
    let service = Service::start(Limits::small(8));
    let mut pooled = service.connect().await;
    assert!(ask(&mut pooled, REQUEST).await.ends_with("ok\n"));
    settle().await;
    // OkHttp keeps idle connections for five minutes, longer than other clients.
    advance(Duration::from_secs(5 * 60)).await;
    assert!(ask(&mut pooled, REQUEST).await.ends_with("ok\n"));
    settle().await;
    advance(Duration::from_secs(6 * 60 + 1)).await;
    assert!(is_closed(&mut pooled).await);
    assert_eq!(service.timed_out("idle"), 1);
}

#[tokio::test(start_paused = true)]
async fn headers_that_trickle_in_are_cut_off_on_new_and_on_kept_connections() {
    let service = Service::start(Limits::small(8));
    let mut kept = service.connect().await;
    assert!(ask(&mut kept, REQUEST).await.ends_with("ok\n"));
    settle().await;
    advance(Duration::from_secs(60)).await;
    let mut fresh = service.connect().await;
    for byte in &REQUEST.as_bytes()[..4] {
        kept.write_all(&[*byte]).await.unwrap();
        fresh.write_all(&[*byte]).await.unwrap();
        settle().await;
        advance(Duration::from_millis(1300)).await;
    }
    assert!(is_closed(&mut kept).await && is_closed(&mut fresh).await);
    assert_eq!(service.timed_out("header"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_in_is_cut_off() {
    let service = Service::start(Limits::small(8));
    let mut slow = service.connect().await;
    slow.write_all(b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n").await.unwrap();
    for _ in 0..4 {
        slow.write_all(b"x").await.unwrap();
        settle().await;
        advance(Duration::from_millis(1300)).await;
    }
    assert!(is_closed(&mut slow).await);
    assert_eq!(service.timed_out("body"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_or_is_not_read_is_cut_off() {
    let service = Service::start(Limits::small(8));
    let mut held = service.connect().await;
    held.write_all(b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    settle().await;
    advance(Duration::from_secs(11)).await;
    assert!(is_closed(&mut held).await);
    assert_eq!(service.timed_out("answer"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_declared_stream_goes_on_while_it_is_read_and_ends_when_it_is_not() {
    let service = Service::start(Limits::small(8));
    let mut stream = service.connect().await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 1 << 16];
    for _ in 0..100 {
        assert!(timeout(DEADLINE, stream.read(&mut buffer)).await.unwrap().unwrap() > 0);
        advance(Duration::from_secs(1)).await;
    }
    settle().await;
    advance(Duration::from_secs(31)).await;
    settle().await;
    assert_eq!((service.timed_out("stream"), service.open()), (1, 0));
}

#[tokio::test]
async fn bodies_beyond_the_budget_cost_the_peer_that_holds_the_most() {
    let limits = Limits { body_bytes: 256 * 1024, ..Limits::small(16) };
    let service = Service::start(limits);
    let head = "POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
    let mut greedy = Vec::new();
    for _ in 0..4 {
        let mut stream = service.connect_from(2).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(&vec![b'x'; 99_000]).await;
        greedy.push(stream);
    }
    let mut modest = service.connect_from(3).await;
    let small = "POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\n\r\n".to_owned();
    let answered = ask(&mut modest, &(small + &"x".repeat(50_000))).await;
    assert!(answered.ends_with("50000"), "{answered}");
    // The last bodies may still be in the kernel's buffers.
    let evicted = async {
        while service.evicted("body_budget") < 2 {
            yield_now().await;
        }
    };
    timeout(DEADLINE, evicted).await.unwrap();
}

#[tokio::test]
async fn a_body_in_frames_of_one_byte_is_charged_for_what_it_takes() {
    let limits = Limits { body_bytes: 64 * 1024, ..Limits::small(16) };
    let service = Service::start(limits);
    let mut stream = service.connect().await;
    let head = "POST /length HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let answered = ask(&mut stream, &(head + &"1\r\nx\r\n".repeat(2000))).await;
    assert!(answered.starts_with("HTTP/1.1 4"), "{answered}");
}

#[tokio::test]
async fn routes_see_the_address_of_the_peer() {
    let service = Service::start(Limits::small(8));
    let request = "GET /peer HTTP/1.1\r\nhost: x\r\n\r\n";
    let answered = ask(&mut service.connect_from(7).await, request).await;
    assert!(answered.ends_with("Address(127.0.0.7)"), "{answered}");
}

#[tokio::test]
async fn headers_beyond_their_limit_are_refused() {
    let service = Service::start(Limits::small(8));
    let request = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(10_000));
    let answered = ask(&mut service.connect().await, &request).await;
    assert!(answered.starts_with("HTTP/1.1 431"), "{answered}");
}

#[tokio::test]
async fn a_shutdown_answers_what_is_in_flight_and_closes_the_rest() {
    let service = Service::start(Limits::small(8));
    let mut held = service.connect().await;
    held.write_all(b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut idle = service.connect().await;
    assert!(ask(&mut idle, REQUEST).await.ends_with("ok\n"));
    let mut silent = service.connect().await;
    let mut endless = service.connect().await;
    endless.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(answer(&mut endless).await.starts_with("HTTP/1.1 200"));
    service.close.send_replace(true);
    assert!(is_closed(&mut idle).await && is_closed(&mut silent).await);
    assert!(TcpStream::connect(service.address).await.is_err());
    service.release.send_replace(true);
    assert!(answer(&mut held).await.ends_with("late\n"));
    timeout(DEADLINE, service.task).await.unwrap().unwrap();
}
