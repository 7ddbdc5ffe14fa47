//! Reviews and probes are answered whatever others do to the webhook's ports.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed expectation is a failed test; clippy.toml exempts test functions only"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cairn_core::pool::Pool;
use cairn_kit::clock;
use cairn_kit::serve::{Metrics, bind};
use cairn_webhook::admission::settings::Settings;
use cairn_webhook::admission::{self, Admission};
use cairn_webhook::certs::mint::{self, Authority};
use cairn_webhook::env_mode::EnvMode;
use cairn_webhook::env_mode::EnvSupport;
use cairn_webhook::namespaces::Namespaces;
use cairn_webhook::pools::catalog::{Catalog, CatalogEntry};
use cairn_webhook::ready::Ready;
use cairn_webhook::server::Servers;
use cairn_webhook::tls::{Leaf, Tls};
use prometheus_client::registry::Registry;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const NAME: &str = "cairn-webhook.cairn.svc";
/// No test waits this long unless it fails.
const DEADLINE: Duration = Duration::from_secs(20);

struct Webhook {
    admission: SocketAddr,
    admin: SocketAddr,
    connector: TlsConnector,
    _close: watch::Sender<bool>,
}

impl Webhook {
    fn start() -> Self {
        let now = clock::now().wall;
        let authority = mint::authority(now).unwrap();
        let leaf = Arc::new(Leaf::default());
        leaf.replace(mint::leaf(&authority, &[NAME.to_owned()], now).unwrap().key);
        let mut registry = Registry::with_prefix("cairn_webhook");
        let servers = Servers::new(Metrics::register(&mut registry));
        let routes = admission::router(Arc::new(handlers(&mut registry)));
        let local = (Ipv4Addr::LOCALHOST, 0).into();
        let (admission, admin) =
            (bind("--listen", local).unwrap(), bind("--listen", local).unwrap());
        let (close, closing) = watch::channel(false);
        let webhook = Self {
            admission: admission.local_addr().unwrap(),
            admin: admin.local_addr().unwrap(),
            connector: connector(&authority),
            _close: close,
        };
        let server = servers.admission(routes, Tls::new(leaf).unwrap());
        tokio::spawn(server.run_until(admission, closing));
        let routes = cairn_webhook::admin::router(Ready::default(), registry);
        tokio::spawn(servers.admin(routes).run(admin));
        webhook
    }

    /// A connection from this address of the machine.
    async fn connect_from(&self, last: u8, address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into()).unwrap();
        socket.connect(address).await.unwrap()
    }

    async fn secured(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        let name = ServerName::try_from(NAME).unwrap();
        self.connector.connect(name, stream).await.unwrap()
    }

    /// One review of an opted-in pod on a connection of its own, which must be answered.
    async fn admits(&self) {
        let stream = TcpStream::connect(self.admission).await.unwrap();
        let mut stream = timeout(DEADLINE, self.secured(stream)).await.unwrap();
        let review = concat!(
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","#,
            r#""operation":"CREATE","namespace":"shop","object":{"metadata":{"annotations":"#,
            r#"{"cairn.dev/pool":"mountains"}},"spec":{"containers":[{"name":"app"}]}}}}"#,
        );
        let head = format!(
            "POST /mutate HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            review.len()
        );
        stream.write_all((head + review).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // An end without close_notify is an end all the same.
        let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("\"allowed\":true") && answer.contains("\"patch\""), "{answer}");
    }

    async fn admin(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// The sum of what was counted under names that begin so.
    async fn count(&self, metric: &str) -> u64 {
        let text = self.admin("/metrics").await;
        let values = text.lines().filter_map(|line| line.strip_prefix(metric));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

fn handlers(registry: &mut Registry) -> Admission {
    let entry = |name: String| {
        Some((
            name.parse().unwrap(),
            CatalogEntry::Ready(Arc::new(Pool::builtin(&name.parse().unwrap())?)),
        ))
    };
    let catalog: Catalog = ["mountains".to_owned()].into_iter().filter_map(entry).collect();
    Admission {
        settings: Settings {
            image: "example.com/cairn-sidecar:1".to_owned(),
            pull_policy: None,
            etcd: "http://etcd:2379".to_owned(),
            etcd_ports: vec![2379],
            etcd_cluster_id: None,
            etcd_prefix: cairn_store::KeyPrefix::default(),
            log_level: cairn_kit::log::LogFilter::default(),
        },
        installation: watch::channel(cairn_webhook::installation::verdict::Verdict::Open).1,
        catalog: watch::channel(Arc::new(catalog)).1,
        namespaces: Namespaces::default(),
        env: EnvSupport::new(Some(EnvMode::File)),
        metrics: admission::metrics::Metrics::register(registry),
    }
}

fn connector(authority: &Authority) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let pem = authority.certificate.as_bytes();
    roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn two_thousand_stalled_handshakes_keep_no_review_out() {
    let webhook = Webhook::start();
    let mut held = Vec::new();
    for i in 0..2000 {
        // One of them is the API server's own address.
        let mut stream =
            webhook.connect_from(1 + u8::try_from(i % 4).unwrap(), webhook.admission).await;
        // A TLS record that announces more than ever comes.
        stream.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        held.push(stream);
        if i % 100 == 99 {
            webhook.admits().await;
        }
    }
    assert!(
        webhook.count("cairn_webhook_connections_evicted_total{listener=\"admission\"").await
            >= 1400
    );
    assert!(webhook.count("cairn_webhook_connections_open{listener=\"admission\"}").await <= 512);
}

#[tokio::test]
async fn bodies_that_never_end_take_no_more_than_their_budget_and_keep_no_review_out() {
    let webhook = Webhook::start();
    let begin = format!("POST /mutate HTTP/1.1\r\nhost: {NAME}\r\ncontent-length: 4000000\r\n\r\n");
    let body = vec![b' '; 3_900_000];
    let mut held = Vec::new();
    for i in 0..24 {
        let stream = webhook.connect_from(2 + i, webhook.admission).await;
        let mut stream = webhook.secured(stream).await;
        // It fails when this connection is the one that is evicted.
        let _ = stream.write_all(begin.as_bytes()).await;
        let _ = stream.write_all(&body).await;
        held.push(stream);
        webhook.admits().await;
    }
    let evicted =
        "cairn_webhook_connections_evicted_total{listener=\"admission\",reason=\"BodyBudget\"}";
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
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_no_probe_out() {
    let webhook = Webhook::start();
    let mut held = Vec::new();
    for i in 0..10_000 {
        held.push(webhook.connect_from(2 + u8::try_from(i % 100).unwrap(), webhook.admin).await);
        if i % 500 == 0 {
            webhook.admin("/readyz").await;
        }
    }
    webhook.admin("/livez").await;
    assert!(webhook.count("cairn_webhook_connections_open{listener=\"admin\"}").await <= 256);
}
