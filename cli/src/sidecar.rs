//! The API of one pod's sidecar, which only listens inside of its pod: at a given address or socket, or through
//! `kubectl port-forward`, with the rights of the user's kubeconfig.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cairn_core::contract::port;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The sidecar answers from memory, and a change of state waits for one write to etcd.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// kubectl asks the API server, which asks the kubelet.
const FORWARD_WITHIN: Duration = Duration::from_secs(20);
/// Far more than a record has, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// The sidecar refuses names that could be another machine's.
const HOST: &str = "localhost";

/// Why a sidecar could not be asked, or did not do it.
#[derive(Debug, Error)]
pub enum SidecarError {
    /// kubectl cannot be started.
    #[error(
        "cannot run {program} to reach the pod's sidecar: {source}; give --kubectl, or --sidecar with its address"
    )]
    Kubectl {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// kubectl does not forward.
    #[error("kubectl port-forward failed: {0}; deleting the pod drains it, too")]
    Forward(String),
    /// No sidecar is there.
    #[error("cannot reach the sidecar at {0}: {1}")]
    Connect(String, std::io::Error),
    /// It does not answer.
    #[error("the sidecar at {0} did not answer in time; look with cairn members and try again")]
    Timeout(String),
    /// It is no HTTP server.
    #[error("the sidecar at {0} broke the connection: {1}")]
    Http(String, Box<dyn std::error::Error + Send + Sync>),
    /// It refuses.
    #[error("the sidecar refused with {status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it said.
        message: String,
    },
    /// It is another pod's.
    #[error("the sidecar there is of '{other}', not of '{wanted}'; nothing was asked of it")]
    OtherPod {
        /// The pod that was meant.
        wanted: String,
        /// The pod that answered.
        other: String,
    },
}

/// A sidecar that can be asked.
#[derive(Debug)]
pub struct Sidecar {
    address: Address,
    /// Ends with this value.
    _forwarding: Option<Child>,
}

#[derive(Clone, Debug)]
enum Address {
    Tcp(String),
    Socket(PathBuf),
}

// === impl Sidecar ===

impl Sidecar {
    /// At `HOST:PORT`, or at the path of a socket.
    pub fn at(address: &str) -> Self {
        let address = match address.strip_prefix("http://").unwrap_or(address) {
            path if path.contains('/') => Address::Socket(path.into()),
            address => Address::Tcp(address.to_owned()),
        };
        Self { address, _forwarding: None }
    }

    /// In a pod, through a port of this machine for as long as this value lives.
    pub async fn forwarded(
        kubectl: &str,
        namespace: &str,
        pod: &str,
    ) -> Result<Self, SidecarError> {
        let mut child = Command::new(kubectl)
            .args(["port-forward", "--namespace", namespace, "--address", "127.0.0.1"])
            .args([&format!("pod/{pod}"), &format!(":{}", port::API)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| SidecarError::Kubectl { program: kubectl.to_owned(), source })?;
        let forwarded = timeout(FORWARD_WITHIN, forwarded_port(&mut child)).await;
        let port = forwarded.unwrap_or_else(|_| Err("no port within 20 s".to_owned()));
        let port = port.map_err(SidecarError::Forward)?;
        let address = Address::Tcp(format!("127.0.0.1:{port}"));
        Ok(Self { address, _forwarding: Some(child) })
    }

    /// One request; the answer's JSON.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, SidecarError> {
        let name = self.address.to_string();
        let answer = timeout(ANSWER_WITHIN, self.exchange(method, path, body)).await;
        let (status, answer) = answer.map_err(|_| SidecarError::Timeout(name))??;
        if status.is_success() {
            return Ok(serde_json::from_slice(&answer).unwrap_or_default());
        }
        let refusal: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let message = ["message", "error", "reason"]
            .iter()
            .find_map(|field| refusal.get(field)?.as_str().map(str::to_owned));
        let text = || String::from_utf8_lossy(&answer).trim().to_owned();
        Err(SidecarError::Refused { status, message: message.unwrap_or_else(text) })
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), SidecarError> {
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
            SidecarError::Http(self.address.to_string(), error)
        };
        let refused = |error| SidecarError::Connect(self.address.to_string(), error);
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(bytes))).map_err(|e| broken(e.into()))?;
        let answer = match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(refused)?;
                over(stream, request).await
            }
            Address::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(refused)?;
                over(stream, request).await
            }
        };
        answer.map_err(broken)
    }
}

// === impl Address ===

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One request over a fresh connection.
async fn over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer: Response<_> = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // The connection may end together with the answer.
        ended = connection => { ended?; exchange.await }
    }
}

/// `Forwarding from 127.0.0.1:40001 -> 24040`; the error is what kubectl complains about.
async fn forwarded_port(child: &mut Child) -> Result<u16, String> {
    if let Some(stdout) = child.stdout.as_mut() {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line).await;
        let port = line.split(" -> ").next().and_then(|from| from.rsplit(':').next());
        if let Some(port) = port.and_then(|port| port.parse().ok()) {
            return Ok(port);
        }
    }
    let mut complaint = String::new();
    if let Some(stderr) = child.stderr.as_mut() {
        let _ = stderr.read_to_string(&mut complaint).await;
    }
    Err(complaint.trim().lines().last().unwrap_or("it ended without a word").to_owned())
}
