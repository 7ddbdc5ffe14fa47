//! `cairn-sidecar drain`: asks the sidecar on this pod's socket to give everything away, and waits until it has. The
//! preStop of our container runs it.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

use crate::api::http::Refusal;
use crate::api::{DRAIN, socket_path};
use crate::coordination::drain::DrainJson;
use crate::exchange;
use crate::probe::{ProbeError, connect};

/// How long one question waits for the end of the drain.
const ROUND: Duration = Duration::from_secs(1);
/// The time for an answer beyond that.
const ANSWER_GRACE: Duration = Duration::from_secs(1);
/// Time for the last write after the last deadline, and for a first process that is not older than a takeover delay.
const SLACK: Duration = Duration::from_secs(1);
/// A sidecar that starts answers within this time.
const CONNECTING: Duration = Duration::from_secs(1);
/// Far more than an answer needs, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// Why the drain is not done.
#[derive(Debug, Error)]
pub enum DrainError {
    /// The time is over.
    #[error("not everything is handed over yet: {0}")]
    NotDone(String),
    /// The sidecar refuses.
    #[error("{0}")]
    Refused(String),
    /// The sidecar cannot be asked.
    #[error(transparent)]
    Unreachable(#[from] ProbeError),
}

/// Drains the sidecar in `dir`, and says what waits whenever that changes.
pub async fn ask(
    dir: &Path,
    longest: Option<Duration>,
    mut say: impl FnMut(&str),
) -> Result<(), DrainError> {
    let begun = Instant::now();
    let (mut said, mut at_most) = (String::new(), SLACK);
    loop {
        let answer = match ask_once(dir).await {
            Ok(answer) => answer,
            // It has gone meanwhile: it has left the group.
            Err(DrainError::Unreachable(ProbeError::Connect { .. })) if !said.is_empty() => {
                return Ok(());
            }
            // A busy sidecar is asked again.
            Err(DrainError::Unreachable(error)) if !said.is_empty() => {
                if begun.elapsed() >= longest.unwrap_or(at_most) {
                    return Err(error.into());
                }
                sleep(Duration::from_millis(200)).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        if answer.done {
            return Ok(());
        }
        let waiting = answer.waiting.join("; ");
        if waiting != said {
            say(&waiting);
            said.clone_from(&waiting);
        }
        at_most = Duration::from_millis(answer.longest_ms) + SLACK;
        if begun.elapsed() >= longest.unwrap_or(at_most) {
            return Err(DrainError::NotDone(waiting));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn ask_once(dir: &Path) -> Result<DrainJson, DrainError> {
    let path = socket_path(dir);
    let stream = connect(&path, Instant::now() + CONNECTING).await?;
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::POST;
    *request.uri_mut() =
        format!("{DRAIN}?wait_ms={}", ROUND.as_millis()).parse().unwrap_or_default();
    request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("cairn"));
    let answer =
        timeout(ROUND + ANSWER_GRACE, exchange::send(Box::new(stream), request, MAX_ANSWER));
    let answered = answer.await.map_err(|_| ProbeError::Timeout)?;
    let (head, body) = answered.map_err(ProbeError::Http)?;
    if head.status == StatusCode::OK {
        let read = serde_json::from_slice(&body);
        return read.map_err(|_| ProbeError::NotASidecar(path).into());
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => Err(DrainError::Refused(refusal.error)),
        Err(_) => Err(ProbeError::NotASidecar(path).into()),
    }
}
