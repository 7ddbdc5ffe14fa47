//! One HTTP/1 request on a connection of its own, over whatever stream: the sidecar asks itself (the
//! startup probe) and apps (their probes).
//!
//! Streams are boxed, so that the binary has the client once and not once for each kind of stream.

use axum::body::{self, Body};
use axum::http::Request;
use axum::http::response::Parts;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Anything that bytes go through.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The head and, at most `limit` bytes of, the body of the answer. A body that is longer or breaks
/// off is empty.
pub async fn send(
    stream: Box<dyn Stream>,
    request: Request<Body>,
    limit: usize,
) -> Result<(Parts, Vec<u8>), hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let (head, incoming) = response.into_parts();
        let body = body::to_bytes(Body::new(incoming), limit).await;
        Ok((head, body.unwrap_or_default().to_vec()))
    };
    tokio::pin!(connection);
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended?;
            answer.await
        }
    }
}
