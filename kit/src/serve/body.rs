//! Bodies, watched for progress: the request's as it arrives, the response's until it is sent.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::metrics::Refusal;
use super::table::{OpenRequest, OverBudget, Progress};

/// What keeping one frame takes besides its bytes: a client may send bodies in frames of one byte.
const FRAME_BYTES: usize = 64;

/// What receives or sends a body cannot go on.
pub(super) type BodyError = Box<dyn Error + Send + Sync>;

/// A request's body. Counts against the budget of bytes in flight.
#[derive(Debug)]
pub(super) struct Received {
    body: Incoming,
    progress: Progress,
}

/// A response's body. Its drop ends the request.
#[derive(Debug)]
pub(super) struct Sent<B> {
    body: B,
    _open: OpenRequest,
}

// === impl Received ===

impl Received {
    pub(super) fn new(body: Incoming, progress: Progress) -> Self {
        Self { body, progress }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len) + FRAME_BYTES;
            if let Err(over) = self.progress.holds(bytes) {
                self.progress.table().metrics().refused(Refusal::BodyBudget);
                return Poll::Ready(Some(Err(over.into())));
            }
        }
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.progress.received();
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Sent ===

impl<B> Sent<B> {
    pub(super) fn new(body: B, open: OpenRequest) -> Self {
        Self { body, _open: open }
    }
}

impl<B: Body + Unpin> Body for Sent<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl OverBudget ===

impl fmt::Display for OverBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("too many bytes of request bodies are in flight; try again")
    }
}

impl Error for OverBudget {}
