//! One HTTP/1 request on a new stream: for the startup probe, the drain and the apps' own probes.
//!
//! Streams are boxed, so that the binary contains the client once and not once for each kind of stream.

use axum::body::{self, Body};
use axum::http::Request;
use axum::http::response::Parts;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Returns the head and the body of the response. A body that is longer than `limit` bytes or incomplete is returned as
/// empty.
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
