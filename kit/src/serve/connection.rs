//! One connection: the handshake, then HTTP, each step until its deadline.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::http::Version;
use axum::response::Response;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
#[cfg(not(feature = "serve-http2"))]
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
#[cfg(feature = "serve-http2")]
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
#[cfg(feature = "serve-http2")]
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::body::{Received, Sent};
use super::io_watch::Watched;
use super::metrics::Refusal;
use super::phase::Phase;
use super::table::{OpenRequest, Place, Progress};

/// Bytes of a body that a client may send ahead: the smallest that HTTP/2 allows (RFC 9113, 6.9.2).
#[cfg(feature = "serve-http2")]
const HTTP2_WINDOW: u32 = 65_535;

/// Requests at a time on one HTTP/2 connection of [`Protocol::Either`]: some watches, and calls beside them.
#[cfg(feature = "serve-http2")]
const HTTP2_REQUESTS: u32 = 32;

/// Put into a response's extensions: its body may go on for as long as the client reads it.
#[derive(Clone, Copy, Debug)]
pub struct Stream;

/// What comes between accept and HTTP.
pub trait Handshake<I>: Clone + Send + Sync + 'static {
    /// The connection afterwards.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Does it.
    fn handshake(&self, io: I) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// Nothing comes between.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> Handshake<I> for Plain {
    type Io = I;

    async fn handshake(&self, io: I) -> io::Result<I> {
        Ok(io)
    }
}

/// The version of HTTP that a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    /// One request at a time on each connection, so that the phases mean the same as with HTTP/1.1.
    #[cfg(feature = "serve-http2")]
    Http2,
    /// What the client begins with, and several requests at a time with HTTP/2.
    #[cfg(feature = "serve-http2")]
    Either,
}

// === impl Protocol ===

#[cfg(feature = "serve-http2")]
impl Protocol {
    /// Requests at a time on one HTTP/2 connection.
    fn requests(self) -> u32 {
        match self {
            Self::Http1 | Self::Http2 => 1,
            Self::Either => HTTP2_REQUESTS,
        }
    }
}

/// Serves one connection until it ends, is too slow, or is evicted.
pub(super) async fn serve<I, H: Handshake<I>>(
    io: I,
    handshake: H,
    (protocol, routes): (Protocol, Router),
    place: Place,
    closing: watch::Receiver<bool>,
) {
    let progress = place.progress().clone();
    let metrics = progress.table().metrics().clone();
    let shaken = timeout(progress.table().limits().handshake, handshake.handshake(io)).await;
    match shaken {
        Ok(Ok(io)) => {
            let io = Watched::new(io, progress.clone());
            serve_http(io, protocol, routes, progress, closing).await;
        }
        Ok(Err(error)) => {
            metrics.refused(Refusal::HandshakeFailed);
            debug!(%error, "handshake failed");
        }
        Err(_) => metrics.timed_out(Phase::Handshake),
    }
}

async fn serve_http(
    io: Watched,
    protocol: Protocol,
    routes: Router,
    progress: Progress,
    closing: watch::Receiver<bool>,
) {
    progress.enter(Phase::Header);
    let routes = TowerToHyperService::new(routes);
    let of_requests = progress.clone();
    let service = service_fn(move |request| {
        let (request, open) = begin(request, &of_requests);
        let response = routes.call(request);
        async move { Ok::<_, Infallible>(send(response.await?, open)) }
    });
    let io = TokioIo::new(io);
    let header_bytes = progress.table().limits().header_bytes;
    #[cfg(not(feature = "serve-http2"))]
    let http = {
        let Protocol::Http1 = protocol;
        let mut http = http1::Builder::new();
        http.header_read_timeout(None).max_buf_size(header_bytes);
        http
    };
    #[cfg(feature = "serve-http2")]
    let http = {
        let mut http = auto::Builder::new(TokioExecutor::new());
        // The deadlines of this module tell the time between requests from that within their headers.
        http.http1().header_read_timeout(None).max_buf_size(header_bytes);
        http.http2()
            .max_concurrent_streams(protocol.requests())
            .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(HTTP2_WINDOW)
            .initial_connection_window_size(HTTP2_WINDOW);
        match protocol {
            Protocol::Http1 => http.http1_only(),
            Protocol::Http2 => http.http2_only(),
            Protocol::Either => http,
        }
    };
    drive(http.serve_connection(io, service), progress, closing).await;
}

/// Polls a connection until it ends or misses the deadline of its phase.
async fn drive<C>(connection: C, progress: Progress, mut closing: watch::Receiver<bool>)
where
    C: GracefulConnection,
    C: Future<Output = Result<(), <C as GracefulConnection>::Error>>,
    <C as GracefulConnection>::Error: fmt::Display,
{
    let mut connection = pin!(connection);
    let mut closing = pin!(closing.wait_for(|closing| *closing));
    let mut closed = false;
    let mut timer = pin!(sleep(progress.table().limits().header));
    let ended = poll_fn(|context| {
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(Ok(ended));
        }
        if !closed && closing.as_mut().poll(context).is_ready() {
            closed = true;
            connection.as_mut().graceful_shutdown();
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                return Poll::Ready(Ok(ended));
            }
        }
        let (phase, deadline) = progress.deadline();
        if closed && phase == Phase::Stream {
            // It has no end to wait for.
            return Poll::Ready(Ok(Ok(())));
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context).map(|()| Err(phase))
    })
    .await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "connection ended"),
        Err(phase) => {
            progress.table().metrics().timed_out(phase);
            debug!(phase = phase.name(), "connection was too slow");
        }
    }
}

/// A request's headers are complete. The routes find the [peer](super::Peer) in its extensions.
fn begin(mut request: Request<Incoming>, progress: &Progress) -> (Request<Body>, OpenRequest) {
    request.extensions_mut().insert(progress.peer());
    let several = request.version() == Version::HTTP_2;
    let open = progress.begin(request.body().is_end_stream(), several);
    (request.map(|body| Body::new(Received::new(body, progress.clone()))), open)
}

/// A response begins.
fn send(response: Response, mut open: OpenRequest) -> Response<Sent<Body>> {
    if response.extensions().get::<Stream>().is_some() {
        open.streams();
    }
    response.map(|body| Sent::new(body, open))
}
