//! `cairn-sidecar probe`: asks the sidecar on this pod's socket whether the app may start.
//!
//! The kubelet shows its output in the pod's Events, so it prints one sentence. It retries the connection until its
//! time is over, so that a starting sidecar causes no Event.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::api::http::Refusal;
use crate::api::{PROBE, socket_path};
use crate::exchange;

/// How often to retry the connection.
const CONNECT_PERIOD: Duration = Duration::from_millis(50);
/// The time for the response beyond the wait, on a busy machine.
const ANSWER_GRACE: Duration = Duration::from_millis(500);
/// Far more than a message needs, in bytes.
const MAX_ANSWER: usize = 16 * 1024;

/// Why the app may not start.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The sidecar reports a reason.
    #[error("{0}")]
    NotHeld(String),
    /// No sidecar accepts the connection.
    #[error("cannot reach the sidecar at {}; is cairn-sidecar running with this --dir?", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The sidecar does not respond.
    #[error("the sidecar did not answer in time")]
    Timeout,
    /// The response is incomplete.
    #[error("the sidecar's answer was cut off")]
    Http(#[from] hyper::Error),
    /// Another program has the socket.
    #[error("{} is not the socket of a cairn-sidecar", .0.display())]
    NotASidecar(PathBuf),
}

/// Waits for the claims of the sidecar in `dir`, at most for `wait`.
pub async fn ask(dir: &Path, wait: Duration) -> Result<(), ProbeError> {
    let path = socket_path(dir);
    let end = Instant::now() + wait;
    let stream = connect(&path, end).await?;
    let left = end.saturating_duration_since(Instant::now());
    let answer = timeout(left + ANSWER_GRACE, request_verdict(stream, left));
    let (status, body) = answer.await.map_err(|_| ProbeError::Timeout)??;
    if status == StatusCode::OK {
        return Ok(());
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => Err(ProbeError::NotHeld(refusal.error)),
        Err(_) => Err(ProbeError::NotASidecar(path)),
    }
}

/// Connects to a sidecar's socket, and retries until `end`.
pub(crate) async fn connect(path: &Path, end: Instant) -> Result<UnixStream, ProbeError> {
    loop {
        match timeout_at(end, UnixStream::connect(path)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Err(_) => return Err(ProbeError::Timeout),
            Ok(Err(source)) if Instant::now() + CONNECT_PERIOD >= end => {
                return Err(ProbeError::Connect { path: path.to_owned(), source });
            }
            Ok(Err(_)) => sleep(CONNECT_PERIOD).await,
        }
    }
}

async fn request_verdict(
    stream: UnixStream,
    wait: Duration,
) -> Result<(StatusCode, Vec<u8>), hyper::Error> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() =
        format!("{PROBE}?wait_ms={}", wait.as_millis()).parse().unwrap_or_default();
    request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("cairn"));
    let (head, body) = exchange::send(Box::new(stream), request, MAX_ANSWER).await?;
    Ok((head.status, body))
}
