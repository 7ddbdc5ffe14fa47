//! The webhook's servers in a process of their own, so that their memory can be told from that of the clients; and
//! clients. Both the tests and `benches/flood.rs` use it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test; clippy.toml exempts test functions only"
)]

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cairn_core::pool::Pool;
use cairn_kit::clock;
use cairn_kit::serve::{Metrics, bind};
use cairn_webhook::admission::settings::Settings;
use cairn_webhook::admission::{self, Admission};
use cairn_webhook::certs::lives::Lives;
use cairn_webhook::certs::mint;
use cairn_webhook::env_mode::{EnvMode, EnvSupport};
use cairn_webhook::namespaces::Namespaces;
use cairn_webhook::pools::catalog::{Catalog, CatalogEntry};
use cairn_webhook::ready::Ready;
use cairn_webhook::server::Servers;
use cairn_webhook::tls::{Leaf, Tls};
use prometheus_client::registry::Registry;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The host name of the webhook's certificate.
pub(crate) const NAME: &str = "cairn-webhook.cairn.svc";
/// No step takes this long unless it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// As in the binary.
const THREADS: usize = 2;

/// The process, and how to reach it. It ends when this is dropped.
pub(crate) struct Webhook {
    pub(crate) admission: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) connector: TlsConnector,
    process: Child,
    _messages: BufReader<ChildStderr>,
}

/// What the process says first.
#[derive(Serialize, Deserialize)]
struct Served {
    admission: SocketAddr,
    admin: SocketAddr,
    authority: String,
}

/// Serves until standard input is closed, and says where as the first line of standard error.
pub(crate) fn serve() {
    let now = clock::now().wall;
    let lives = Lives::default();
    let authority = mint::authority(&lives, now).unwrap();
    let leaf = Arc::new(Leaf::default());
    leaf.replace(mint::leaf(&authority, &[NAME.to_owned()], &lives, now).unwrap().key);
    let mut registry = Registry::with_prefix("cairn_webhook");
    let servers = Servers::new(Metrics::register(&mut registry));
    let routes = admission::router(Arc::new(handlers(&mut registry)));
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let local = (Ipv4Addr::LOCALHOST, 0).into();
    let (admission, admin) = (bind("--listen", local).unwrap(), bind("--listen", local).unwrap());
    let served = Served {
        admission: admission.local_addr().unwrap(),
        admin: admin.local_addr().unwrap(),
        authority: authority.certificate().pem(),
    };
    runtime.spawn(servers.admission(routes, Tls::http1(leaf).unwrap()).run(admission));
    let routes = cairn_webhook::admin::router(Ready::default(), registry);
    runtime.spawn(servers.admin(routes).run(admin));
    eprintln!("{}", serde_json::to_string(&served).unwrap());
    let _ = io::stdin().read_to_end(&mut Vec::new());
}

// === impl Webhook ===

impl Webhook {
    /// Starts this program once more with arguments that make it call [`serve`].
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut messages = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        messages.read_line(&mut line).unwrap();
        let served: Served = serde_json::from_str(&line).unwrap();
        let connector = connector(&served.authority);
        let Served { admission, admin, .. } = served;
        Self { admission, admin, connector, process, _messages: messages }
    }

    /// A connection with TLS, from this address of the machine.
    pub(crate) async fn secured_from(&self, last: u8) -> TlsStream<TcpStream> {
        let stream = connect_from(last, self.admission).await.unwrap();
        timeout(DEADLINE, secure(&self.connector, stream)).await.unwrap().unwrap()
    }

    /// One review of an opted-in pod on a connection of its own, which must be answered.
    pub(crate) async fn admits(&self) {
        let mut stream = self.secured_from(1).await;
        let answer = review(&mut stream, "close").await;
        assert!(answer.contains("\"allowed\":true") && answer.contains("\"patch\""), "{answer}");
    }

    /// An answer of the admin port.
    pub(crate) async fn admin(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// The sum of what was counted under names that begin so.
    pub(crate) async fn count(&self, metric: &str) -> u64 {
        let text = self.admin("/metrics").await;
        let values = text.lines().filter_map(|line| line.strip_prefix(metric));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// The most resident memory that the process ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib * 1024
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection from an address of this machine. The last part of the address tells one peer from another.
pub(crate) async fn connect_from(last: u8, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    socket.connect(address).await
}

pub(crate) async fn secure(
    connector: &TlsConnector,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    connector.connect(ServerName::try_from(NAME).unwrap(), stream).await
}

/// The answer to one review of an opted-in pod; empty when the connection was closed. `connection` is the header of
/// that name.
pub(crate) async fn review(stream: &mut TlsStream<TcpStream>, connection: &str) -> String {
    let review = concat!(
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","#,
        r#""operation":"CREATE","namespace":"shop","object":{"metadata":{"annotations":"#,
        r#"{"cairn.dev/pool":"mountains"}},"spec":{"containers":[{"name":"app"}]}}}}"#,
    );
    let length = review.len();
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: {NAME}\r\nconnection: {connection}\r\n\
         content-length: {length}\r\n\r\n"
    );
    let mut answer = Vec::new();
    if stream.write_all((head + review).as_bytes()).await.is_err() {
        return String::new();
    }
    // A kept connection does not end: the answer is complete with the last brace of the review.
    while !answer.ends_with(b"}}") {
        if timeout(DEADLINE, stream.read_buf(&mut answer)).await.unwrap().unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
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
            agent: "https://cairn-webhook.cairn.svc:8443".to_owned(),
            outbound_ports: vec![2379, 8443],
            etcd_cluster_id: None,
            etcd_prefix: cairn_store::KeyPrefix::default(),
            log_level: cairn_kit::log::LogFilter::default(),
            container: std::sync::Arc::default(),
            dns: cairn_webhook::admission::settings::DnsNeed::Search,
        },
        trust: watch::channel(Arc::default()).1,
        installation: watch::channel(cairn_webhook::installation::verdict::Verdict::Open).1,
        catalog: watch::channel(Arc::new(catalog)).1,
        namespaces: Namespaces::default(),
        env: EnvSupport::new(Some(EnvMode::File)),
        metrics: admission::metrics::Metrics::register(registry),
    }
}

fn connector(authority: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
