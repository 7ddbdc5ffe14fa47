//! Who the claims API refuses, on real connections. All cases of the decision: `src/api/guard/tests.rs`.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;

use crate::harness::{App, LONGEST_WAIT};

/// Headers that stop a browser from showing an answer to a page.
const CORS: &str = "access-control-";

impl App {
    /// The head and body of the answer to a request, on a connection of its own over TCP.
    async fn sends(&self, request: &str) -> (String, String) {
        answer(TcpStream::connect(self.api).await.unwrap(), request).await
    }

    /// How often the API refused for this reason.
    async fn refused(&self, reason: &str) -> u64 {
        let name = format!("cairn_sidecar_api_refused_total{{reason=\"{reason}\"}} ");
        let (_, text) = self.admin("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |count| count.parse().unwrap())
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> (String, String) {
    let request = request.replace('\n', "\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONGEST_WAIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// The message of a refusal, which must be one.
fn refusal((head, body): &(String, String)) -> String {
    assert!(head.starts_with("http/1.1 403") || head.starts_with("http/1.0 403"), "{head}");
    assert!(!head.contains(CORS), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    body["error"].as_str().unwrap().to_owned()
}

/// An IPv4 address of this machine that is not one of loopback. No packet is sent.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let message =
        "this test needs a network interface beside lo: connect the machine to any network";
    socket.connect("192.0.2.1:9").expect(message);
    socket.local_addr().unwrap().ip()
}

#[tokio::test]
async fn requests_for_another_host_are_refused_on_every_path() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let paths =
        ["GET /v1/claims", "GET /v1/claims?watch", "POST /v1/ids", "GET /nowhere", "PUT /v1/ids"];
    for path in paths {
        let request =
            format!("{path} HTTP/1.1\nHost: rebound.example:24040\nConnection: close\n\n");
        let message = refusal(&app.sends(&request).await);
        assert!(message.contains("localhost, 127.0.0.1 or [::1]"), "{path}: {message}");
    }
    assert_eq!(app.refused("host").await, 5);
    assert!(app.dir.read("snowflake/ids.json").is_none(), "an ID was minted");
}

#[tokio::test]
async fn requests_without_a_host_are_refused() {
    let app = App::start(&[]).await;
    for request in ["GET /v1/claims HTTP/1.0\n\n", "GET /v1/claims HTTP/1.1\nConnection: close\n\n"]
    {
        refusal(&app.sends(request).await);
    }
    assert_eq!(app.refused("host").await, 2);
    let (head, _) = app.sends("GET /v1/claims HTTP/1.0\nHost: localhost\n\n").await;
    assert!(head.starts_with("http/1.0 200"), "{head}");
}

#[tokio::test]
async fn names_and_addresses_of_this_machine_are_answered() {
    let app = App::start(&[]).await;
    let port = app.api.port();
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            let request = format!("GET /v1/claims HTTP/1.1\nHost: {host}\nConnection: close\n\n");
            let (head, _) = app.sends(&request).await;
            assert!(head.starts_with("http/1.1 200"), "{host}: {head}");
            assert!(!head.contains(CORS), "{head}");
        }
    }
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_and_cannot_mint() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let simple = "Origin: https://shop.example\nSec-Fetch-Site: cross-site\n";
    let preflight = "Origin: https://shop.example\nAccess-Control-Request-Method: POST\n";
    for (method, headers) in [
        ("GET /v1/claims", "Origin: null\n"),
        ("GET /v1/claims?watch", simple),
        ("POST /v1/ids", simple),
        // An image or a script: no Origin, and the answer is not shown to the page either.
        ("GET /v1/claims", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\n"),
        ("OPTIONS /v1/ids", preflight),
    ] {
        let request = format!("{method} HTTP/1.1\nHost: localhost\n{headers}Connection: close\n\n");
        let message = refusal(&app.sends(&request).await);
        assert!(message.contains("on behalf of other sites"), "{method}: {message}");
    }
    assert_eq!(app.refused("cross_site").await, 5);
    assert!(app.dir.read("snowflake/ids.json").is_none(), "an ID was minted");
    let (head, _) = app.sends("OPTIONS /v1/ids HTTP/1.0\nHost: localhost\n\n").await;
    assert!(head.starts_with("http/1.0 405") && !head.contains(CORS), "{head}");
}

#[tokio::test]
async fn the_socket_answers_any_host_and_refuses_pages() {
    let app = App::start(&[]).await;
    let path = app.dir.published().join("cairn.sock");
    let open = async || UnixStream::connect(&path).await.unwrap();
    for host in ["", "Host: cairn\n"] {
        let request = format!("GET /v1/claims HTTP/1.0\n{host}\n");
        let (head, _) = answer(open().await, &request).await;
        assert!(head.starts_with("http/1.0 200"), "{host}: {head}");
    }
    let page = "GET /v1/claims HTTP/1.0\nOrigin: https://shop.example\n\n";
    refusal(&answer(open().await, page).await);
}

#[tokio::test]
async fn a_peer_that_is_not_on_loopback_is_refused() {
    let app = App::start(&[]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(own_address(), 0)).unwrap();
    // As a neighbour does whose packets to 127.0.0.1 the node routes.
    let stream = socket.connect(app.api).await.unwrap();
    let request = "GET /v1/claims HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    let message = refusal(&answer(stream, request).await);
    assert!(message.contains("only clients in the same pod"), "{message}");
    assert_eq!(app.refused("peer").await, 1);
}

#[tokio::test]
async fn a_large_body_is_not_read() {
    let app = App::start(&[]).await;
    app.hold(["Denali", "17"]).await;
    let mut stream = TcpStream::connect(app.api).await.unwrap();
    let head = "POST /v1/ids HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108864\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    // The sidecar answers and closes; from then on, writing fails.
    let closed = async {
        while sent < 67_108_864 && stream.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
        }
    };
    timeout(LONGEST_WAIT, closed).await.unwrap();
    // What both kernels buffer is the most that was taken from us.
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken");
    assert_eq!(app.get("/v1/claims").await.0, 200);
}
