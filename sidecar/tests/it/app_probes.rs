//! The apps' own probes, which the sidecar runs, and its responses to the kubelet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::get;
use cairn_core::app_probe::AppProbe;
use cairn_sidecar::app_probes::ask::ask;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::harness::{App, LONGEST_WAIT, eventually, request_with};

const LOCAL: &str = "127.0.0.1";
const TOKEN: (&str, &str) = ("Cairn-Probe-Token", "secret");

/// The server of an app.
async fn serve(listener: TcpListener, routes: Router) {
    axum::serve(listener, routes).await.unwrap();
}

/// An app whose health is a status that the test sets.
struct Server {
    status: Arc<AtomicU16>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(200));
        let told = Arc::clone(&status);
        let health = move || async move {
            StatusCode::from_u16(told.load(Ordering::Relaxed)).unwrap().into_response()
        };
        let task = tokio::spawn(serve(listener, Router::new().route("/healthz", get(health))));
        Self { status, address, task }
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// A probe of the app with a period of one second.
    fn probe(&self, failures: u32) -> Value {
        json!({
            "httpGet": {"path": "/healthz", "port": self.address.port()},
            "periodSeconds": 1, "failureThreshold": failures,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A sidecar that holds its claims and runs these probes of the container `app`.
async fn sidecar(probes: Value) -> App {
    let app = App::start(&flags(&probes).iter().map(String::as_str).collect::<Vec<_>>()).await;
    app.hold(["Denali", "17"]).await;
    app
}

fn flags(probes: &Value) -> Vec<String> {
    let mut probes = probes.clone();
    probes["container"] = json!("app");
    ["--app-probes", &probes.to_string(), "--probe-token", TOKEN.1].map(str::to_owned).to_vec()
}

/// A response to the kubelet.
async fn kubelet(app: &App, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(app.admin).await.unwrap();
    request_with(stream, path, TOKEN).await
}

#[tokio::test]
async fn an_app_fails_by_its_own_probe_and_is_healthy_after_its_restart() {
    let server = Server::start().await;
    let app = sidecar(json!({"liveness": server.probe(3)})).await;
    assert_eq!(kubelet(&app, "/app/startupz/app").await, (200, "ok\n".to_owned()));
    assert_eq!(kubelet(&app, "/app/livez/app").await.0, 200);
    server.answers(503);
    eventually("failed", async || kubelet(&app, "/app/livez/app").await.0 == 503).await;
    assert_eq!(
        kubelet(&app, "/app/livez/app").await.1,
        "container app: its own livenessProbe failed 3 times in a row: status 503\n"
    );
    let (_, text) = app.admin("/metrics").await;
    let failures = "cairn_sidecar_app_probes_total{container=\"app\",probe=\"livenessProbe\",result=\"failure\"} 3";
    assert!(text.contains(failures), "{text}");
    assert_eq!(app.admin("/app/livez").await.0, 200, "the claims are held all the while");
    // The kubelet restarts it.
    server.answers(200);
    assert_eq!(kubelet(&app, "/app/startupz/app").await.0, 200);
    assert_eq!(kubelet(&app, "/app/livez/app").await.0, 200);
}

#[tokio::test]
async fn a_lost_claim_stops_the_app_although_its_own_probe_passes() {
    let server = Server::start().await;
    let app = sidecar(json!({"liveness": server.probe(3)})).await;
    assert_eq!(kubelet(&app, "/app/startupz/app").await.0, 200);
    let mut snapshot = app.snapshot();
    snapshot.claims[1].status.identity.state = cairn_core::claim::ClaimState::Lost;
    app.send(snapshot);
    eventually("stopped", async || kubelet(&app, "/app/livez/app").await.0 == 503).await;
    let (status, body) = kubelet(&app, "/app/startupz/app").await;
    assert_eq!((status, body.as_str()), (503, "pool snowflake: lost\n"));
    // A container without its own probes is stopped too.
    assert_eq!(kubelet(&app, "/app/livez/other").await.0, 503);
    assert_eq!(kubelet(&app, "/app/startupz/other").await.0, 503);
}

#[tokio::test]
async fn readiness_waits_for_the_apps_own_startup_probe() {
    let server = Server::start().await;
    server.answers(500);
    let app = sidecar(json!({"startup": server.probe(1000)})).await;
    assert_eq!(kubelet(&app, "/app/startupz/app").await.0, 200, "the kubelet goes on to liveness");
    assert_eq!(kubelet(&app, "/app/livez/app").await.0, 200);
    assert_eq!(kubelet(&app, "/app/readyz/app").await.0, 503);
    server.answers(204);
    eventually("ready", async || kubelet(&app, "/app/readyz/app").await.0 == 200).await;
    server.answers(500);
    assert_eq!(kubelet(&app, "/app/startupz/app").await.0, 200);
    assert_eq!(kubelet(&app, "/app/readyz/app").await.0, 503, "it was restarted");
}

#[tokio::test]
async fn a_restarted_sidecar_knows_which_apps_have_started() {
    let server = Server::start().await;
    let probes = json!({"startup": server.probe(1000), "liveness": server.probe(1000)});
    let app = sidecar(probes.clone()).await;
    assert_eq!(kubelet(&app, "/app/startupz/app").await.0, 200);
    eventually("ready", async || kubelet(&app, "/app/readyz/app").await.0 == 200).await;
    // From here on only the mark shows the start.
    server.answers(500);
    let flags = flags(&probes);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let app = App::start_in(app.kill().await, &flags).await;
    assert_eq!(kubelet(&app, "/app/readyz/app").await.0, 200);
    app.hold(["Denali", "17"]).await;
    assert_eq!(kubelet(&app, "/app/startupz/app").await.0, 200);
    let app = App::start_in(app.kill().await, &flags).await;
    assert_eq!(kubelet(&app, "/app/readyz/app").await.0, 503, "the container was restarted since");
}

#[tokio::test]
async fn only_the_kubelet_can_report_a_start_of_a_container() {
    let server = Server::start().await;
    let app = sidecar(json!({"startup": server.probe(1000)})).await;
    assert_eq!(kubelet(&app, "/app/startupz/app").await.0, 200);
    eventually("ready", async || kubelet(&app, "/app/readyz/app").await.0 == 200).await;
    server.answers(500);
    assert_eq!(app.admin("/app/startupz/app").await.0, 200);
    assert_eq!(kubelet(&app, "/app/readyz/app").await.0, 200, "somebody else took it off");
}

fn probe(action: Value) -> AppProbe {
    let mut probe = action;
    probe["timeoutSeconds"] = json!(2);
    AppProbe::parse(&probe.to_string(), |_| None).unwrap()
}

#[tokio::test]
async fn http_probes_follow_the_rules_of_the_kubelet() {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = |headers: HeaderMap| async move {
        let text =
            |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        let told = ["host", "x-a", "accept"].map(text).join(" ");
        let agent = text("user-agent").starts_with("kube-probe/");
        if agent && told == "shop.example b -" { StatusCode::OK } else { StatusCode::BAD_REQUEST }
    };
    let routes = Router::new()
        .route("/told", get(told))
        .route("/moved", get(|| async { Redirect::to("gone") }))
        .route("/away", get(|| async { Redirect::to("https://login.example.com/") }))
        .route("/loop", get(|| async { Redirect::to("/loop") }))
        .route("/late", get(std::future::pending::<()>))
        .route("/big", get(|| async { "x".repeat(1_000_000) }));
    let server = tokio::spawn(serve(listener, routes));
    let of = |path: &str| probe(json!({"httpGet": {"path": path, "port": port}}));
    let headers = json!([
        {"name": "Host", "value": "shop.example"}, {"name": "X-A", "value": "b"},
        {"name": "Accept", "value": ""},
    ]);
    let with_headers =
        json!({"httpGet": {"path": "/told", "port": port, "httpHeaders": headers, "host": LOCAL}});
    assert_eq!(ask(&probe(with_headers), "192.0.2.1").await, Ok(()));
    assert_eq!(ask(&of("/away"), LOCAL).await, Ok(()));
    assert_eq!(ask(&of("/big"), LOCAL).await, Ok(()));
    for (path, reason) in [
        ("/told", "status 400"),
        ("/moved", "status 404"),
        ("/loop", "more than 10 redirects"),
        ("/late", "no answer within 2s"),
    ] {
        assert_eq!(ask(&of(path), LOCAL).await, Err(reason.to_owned()), "{path}");
    }
    server.abort();
}

#[tokio::test]
async fn https_probes_accept_any_certificate() {
    let server = Server::start().await;
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (plain, acceptor) = (server.address, acceptor());
    let tls = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            let mut app = TcpStream::connect(plain).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut tls, &mut app).await;
        }
    });
    let get = json!({"path": "/healthz", "port": port, "scheme": "HTTPS"});
    let https = probe(json!({"httpGet": get}));
    assert_eq!(ask(&https, LOCAL).await, Ok(()));
    server.answers(500);
    assert_eq!(ask(&https, LOCAL).await, Err("status 500".to_owned()));
    let get = json!({"path": "/healthz", "port": plain.port(), "scheme": "HTTPS"});
    let reason = ask(&probe(json!({"httpGet": get})), LOCAL).await.unwrap_err();
    assert!(reason.starts_with("TLS handshake failed: "), "{reason}");
    tls.abort();
}

/// TLS with a self-signed certificate.
fn acceptor() -> TlsAcceptor {
    let own = rcgen::generate_simple_self_signed(["app.invalid".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_tcp_probe_passes_while_the_port_is_open() {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = json!({"tcpSocket": {"port": port}, "periodSeconds": 1, "failureThreshold": 2});
    assert_eq!(ask(&probe(socket.clone()), LOCAL).await, Ok(()));
    let app = sidecar(json!({"liveness": socket})).await;
    assert_eq!(kubelet(&app, "/app/startupz/app").await.0, 200);
    drop(listener);
    eventually("failed", async || kubelet(&app, "/app/livez/app").await.0 == 503).await;
    let (_, body) = kubelet(&app, "/app/livez/app").await;
    let refused = format!("cannot connect to 127.0.0.1:{port}: Connection refused");
    assert!(body.contains("failed 2 times in a row") && body.contains(&refused), "{body}");
}

#[tokio::test]
async fn a_grpc_probe_asks_for_the_health_of_its_service() {
    let (reporter, service) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let router = tonic::transport::Server::builder().add_service(service);
    let server = tokio::spawn(router.serve_with_incoming(incoming));
    let serving = tonic_health::ServingStatus::Serving;
    reporter.set_service_status("shop.Orders", serving).await;
    let of = |service: &str| probe(json!({"grpc": {"port": port, "service": service}}));
    for service in ["", "shop.Orders"] {
        assert_eq!(ask(&of(service), LOCAL).await, Ok(()), "{service}");
    }
    let reason = ask(&of("shop.Payments"), LOCAL).await.unwrap_err();
    assert!(reason.starts_with("health check failed: "), "{reason}");

    let liveness = json!({"grpc": {"port": port, "service": "shop.Orders"}, "periodSeconds": 1});
    let app = sidecar(json!({"liveness": liveness})).await;
    assert_eq!(kubelet(&app, "/app/startupz/app").await.0, 200);
    reporter.set_service_status("shop.Orders", tonic_health::ServingStatus::NotServing).await;
    eventually("failed", async || kubelet(&app, "/app/livez/app").await.0 == 503).await;
    let (_, body) = kubelet(&app, "/app/livez/app").await;
    assert!(body.contains("3 times in a row: service unhealthy (status 2)"), "{body}");
    server.abort();
}

#[tokio::test]
async fn a_grpc_probe_of_another_server_fails() {
    let server = Server::start().await;
    let other = probe(json!({"grpc": {"port": server.address.port()}}));
    let answered = timeout(LONGEST_WAIT, ask(&other, LOCAL)).await.unwrap();
    assert!(answered.is_err());
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let empty = tonic::service::Routes::default();
    let task = tokio::spawn(async move {
        tonic::transport::Server::builder().add_routes(empty).serve_with_incoming(incoming).await
    });
    let probe = probe(json!({"grpc": {"port": port}}));
    assert_eq!(
        ask(&probe, LOCAL).await,
        Err("the server does not implement grpc.health.v1.Health".to_owned())
    );
    task.abort();
}
