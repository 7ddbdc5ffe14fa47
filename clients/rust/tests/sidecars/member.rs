//! A pod: the product's sidecar on a thread, and apps of HTTP and gRPC behind the layer.

use std::convert::Infallible;
use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use cairn_client::{OwnShards, OwnedLayer, Served, sidecar};
use cairn_kit::clock::SystemClock;
use cairn_kit::exit::Exit;
use cairn_kit::shutdown::{self, Trigger};
use cairn_proto::v1::coordination_client::CoordinationClient;
use cairn_proto::v1::{MemberState, SetSelfRequest};
use cairn_sidecar::args::Args;
use cairn_sidecar::config::Config;
use cairn_sidecar::{app, drive};
use cairn_test_etcd::TestEtcd;
use clap::Parser as _;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tower::{Layer as _, service_fn};

/// Who served which shard under which fence, in the order in which it happened.
pub(crate) type Journal = Arc<Mutex<Vec<(u32, i64, String)>>>;

/// A pod. Its sidecar ends with it.
pub(crate) struct Member {
    pub(crate) sidecar: Channel,
    trigger: Trigger,
    thread: Option<JoinHandle<Exit>>,
    _dir: TempDir,
}

/// The key of a request.
pub(crate) fn key<B>(request: &Request<B>) -> Vec<u8> {
    request.headers().get("key").unwrap().as_bytes().to_vec()
}

// === impl Member ===

impl Member {
    /// A member of a group with four shards, whose keys are numbers.
    pub(crate) async fn start(etcd: &TestEtcd, uid: &str, journal: &Journal) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let endpoints = format!("http={},grpc={}", port(&http), port(&grpc));
        let run = dir.path().join("run");
        let (trigger, thread) = start_sidecar(&[
            ("--etcd", etcd.url()),
            ("--dir", &run.display().to_string()),
            ("--group", "g"),
            ("--instance", uid),
            ("--coordinate", "shards"),
            ("--shards", "4"),
            ("--shard-hash", "int"),
            ("--validity", "3s"),
            ("--min-participants", "2"),
            ("--endpoints", &endpoints),
        ]);
        let sidecar = sidecar::channel(&format!("unix:{}/cairn.sock", run.display())).unwrap();
        let (shards, following) = OwnShards::follow(sidecar.clone());
        tokio::spawn(following);
        tokio::spawn(serve_http(http, uid.to_owned(), shards.clone(), Arc::clone(journal)));
        let (_, health) = tonic_health::server::health_reporter();
        let serving = Server::builder()
            .layer(OwnedLayer::new(shards, key))
            .add_service(health)
            .serve_with_incoming(TcpListenerStream::new(grpc));
        tokio::spawn(serving);
        Self { sidecar, trigger, thread: Some(thread), _dir: dir }
    }

    /// Gives all shards away.
    pub(crate) async fn drain(&self) {
        let state = MemberState::Draining.into();
        let draining = SetSelfRequest { state, ..SetSelfRequest::default() };
        CoordinationClient::new(self.sidecar.clone()).set_self(draining).await.unwrap();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.trigger.next();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn start_sidecar(flags: &[(&str, &str)]) -> (Trigger, JoinHandle<Exit>) {
    let words = flags.iter().flat_map(|(flag, value)| [*flag, *value]);
    let argv: Vec<OsString> = ["cairn-sidecar"].into_iter().chain(words).map(Into::into).collect();
    let config = Config::try_from(Args::try_parse_from(argv).unwrap().claim).unwrap();
    let (trigger, shutdown) = shutdown::channel();
    let thread = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let clock = Arc::new(SystemClock);
        runtime.block_on(app::run(Arc::new(config), clock, drive::run, shutdown))
    });
    (trigger, thread)
}

/// Says who it is.
async fn serve_http(listener: TcpListener, uid: String, shards: OwnShards, journal: Journal) {
    let app = service_fn(move |request: Request<Incoming>| {
        let served = request.extensions().get::<Served>().unwrap();
        journal.lock().unwrap().push((served.shard, served.fence.revision, uid.clone()));
        let uid = uid.clone();
        async move { Ok::<_, Infallible>(Response::new(uid)) }
    });
    let app = OwnedLayer::new(shards, key).layer(app);
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
