//! Real sockets on loopback, with limits that a test can wait for.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cairn_kit::clock;
use cairn_kit::serve::{self, Limits, Metrics};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::certs::authority::Authority;
use crate::certs::lives::Lives;
use crate::certs::mint;

const NAME: &str = "cairn-webhook.cairn.svc";
/// No test waits this long unless it fails.
const DEADLINE: Duration = Duration::from_secs(20);

struct Server {
    address: std::net::SocketAddr,
    authority: Authority,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

async fn start(routes: Router, limits: Limits) -> Server {
    let now = clock::now().wall;
    let lives = Lives::default();
    let authority = mint::authority(&lives, now).unwrap();
    let leaf = Arc::new(Leaf::default());
    leaf.replace(mint::leaf(&authority, &[NAME.to_owned()], &lives, now).unwrap().key);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let server = serve::Server::new("test", routes, limits, &Metrics::default());
    let server = server.with_handshake(Tls::http1(leaf).unwrap());
    let task = tokio::spawn(server.run_until(listener, stopping));
    Server { address, authority, stop, task }
}

impl Server {
    async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate().der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }
}

async fn send(stream: &mut TlsStream<TcpStream>) {
    let request = format!("GET / HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

async fn receive(stream: &mut TlsStream<TcpStream>) -> String {
    let mut answer = Vec::new();
    // An end without close_notify is an end all the same.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_request_is_answered_under_a_certificate_that_the_authority_verifies() {
    let routes = Router::new().route("/", get(|| async { "hello" }));
    let server = start(routes, Limits::small(8)).await;
    let mut stream = server.connect().await;
    send(&mut stream).await;
    let answer = receive(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn a_silent_peer_is_cut_off_in_the_handshake_and_in_its_headers() {
    let soon = Duration::from_millis(100);
    let limits = Limits { handshake: soon, header: soon, ..Limits::small(8) };
    let server = start(Router::new(), limits).await;
    let mut mute = TcpStream::connect(server.address).await.unwrap();
    let mut nothing = Vec::new();
    let _ = timeout(DEADLINE, mute.read_to_end(&mut nothing)).await.unwrap();
    let mut idle = server.connect().await;
    receive(&mut idle).await;
}

#[tokio::test]
async fn a_request_in_flight_is_answered_after_the_shutdown_has_begun() {
    let (arrived, mut seen) = mpsc::channel(1);
    let (release, released) = watch::channel(false);
    let handler = move || async move {
        arrived.send(()).await.unwrap();
        released.clone().wait_for(|go| *go).await.unwrap();
        "late"
    };
    let routes = Router::new().route("/", get(handler));
    let server = start(routes, Limits::small(8)).await;
    let mut stream = server.connect().await;
    send(&mut stream).await;
    timeout(DEADLINE, seen.recv()).await.unwrap().unwrap();
    server.stop.send_replace(true);
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.send_replace(true);
    assert!(receive(&mut stream).await.ends_with("late"));
    timeout(DEADLINE, server.task).await.unwrap().unwrap();
}
