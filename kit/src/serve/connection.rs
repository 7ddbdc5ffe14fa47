//! One connection: the handshake, then HTTP/1.1, each step until its deadline.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::body::{Received, Sent};
use super::io_watch::Watched;
use super::metrics::Refusal;
use super::phase::Phase;
use super::table::{Place, Progress};

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

/// Serves a connection until it ends, is too slow, or `closing` turns true.
pub(super) async fn serve<I, H: Handshake<I>>(
    io: I,
    handshake: H,
    routes: Router,
    place: Place,
    closing: watch::Receiver<bool>,
) {
    let progress = place.progress().clone();
    let metrics = progress.table().metrics().clone();
    let shaken = timeout(progress.table().limits().handshake, handshake.handshake(io)).await;
    match shaken {
        Ok(Ok(io)) => serve_http(io, routes, progress, closing).await,
        Ok(Err(error)) => {
            metrics.refused(Refusal::HandshakeFailed);
            debug!(%error, "handshake failed");
        }
        Err(_) => metrics.timed_out(Phase::Handshake),
    }
}

async fn serve_http(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    progress: Progress,
    mut closing: watch::Receiver<bool>,
) {
    progress.enter(Phase::Header);
    let routes = TowerToHyperService::new(routes);
    let of_requests = progress.clone();
    let service = service_fn(move |request| {
        let progress = of_requests.clone();
        let response = routes.call(begin(request, &progress));
        async move { Ok::<_, Infallible>(send(response.await?, progress)) }
    });
    let mut http = http1::Builder::new();
    // The deadlines of this module tell the time between requests from that within their headers.
    http.header_read_timeout(None).max_buf_size(progress.table().limits().header_bytes);
    let io = TokioIo::new(Watched::new(io, progress.clone()));
    let mut connection = pin!(http.serve_connection(io, service));
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

/// A request's headers are complete.
fn begin(request: Request<Incoming>, progress: &Progress) -> Request<Body> {
    let complete = request.body().is_end_stream();
    progress.enter(if complete { Phase::Answer } else { Phase::Body });
    request.map(|body| Body::new(Received::new(body, progress.clone())))
}

/// A response begins.
fn send(response: Response, progress: Progress) -> Response<Sent<Body>> {
    if response.extensions().get::<Stream>().is_some() {
        progress.enter(Phase::Stream);
    }
    response.map(|body| Sent::new(body, progress))
}
