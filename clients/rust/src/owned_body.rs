//! The body of an answer that is sent only while the shard is ours.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Code;

use crate::misdirected::{Style, trailers};
use crate::own_shards::Serving;
use crate::replay::BoxError;

/// An answer's body. When the shard is lost before its end, it ends with an error, or in gRPC with UNAVAILABLE.
#[derive(Debug)]
pub struct OwnedBody<B>(Kind<B>);

enum Kind<B> {
    /// Our own sentence.
    Text(Option<Bytes>),
    /// The inner service's.
    Served(Box<Sending<B>>),
    /// It was cut off, or has ended. The request does not count as served any more.
    Ended,
}

struct Sending<B> {
    body: Pin<Box<B>>,
    lost: Pin<Box<dyn Future<Output = ()> + Send>>,
    serving: Serving,
    style: Style,
}

// === impl OwnedBody ===

impl<B> OwnedBody<B> {
    pub(crate) fn text(text: String) -> Self {
        Self(Kind::Text(Some(text).filter(|text| !text.is_empty()).map(Bytes::from)))
    }

    pub(crate) fn new(body: B, serving: Serving, style: Style) -> Self {
        let lost = Box::pin(serving.lost());
        Self(Kind::Served(Box::new(Sending { body: Box::pin(body), lost, serving, style })))
    }
}

impl<B> Body for OwnedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let sending = match &mut this.0 {
            Kind::Text(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Kind::Ended => return Poll::Ready(None),
            Kind::Served(sending) => sending,
        };
        if sending.lost.as_mut().poll(context).is_ready() {
            let why = sending.serving.lost_sentence();
            let end = match sending.style {
                Style::Http => Err(why.into()),
                Style::Grpc => Ok(Frame::trailers(trailers(Code::Unavailable, &why))),
            };
            this.0 = Kind::Ended;
            return Poll::Ready(Some(end));
        }
        let Poll::Ready(next) = sending.body.as_mut().poll_frame(context) else {
            return Poll::Pending;
        };
        if next.is_none() {
            this.0 = Kind::Ended;
        }
        Poll::Ready(next.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Text(text) => text.is_none(),
            Kind::Served(sending) => sending.body.is_end_stream(),
            Kind::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Text(Some(text)) => {
                SizeHint::with_exact(u64::try_from(text.len()).unwrap_or(u64::MAX))
            }
            Kind::Served(sending) => sending.body.size_hint(),
            Kind::Text(None) | Kind::Ended => SizeHint::with_exact(0),
        }
    }
}

// === impl Kind ===

impl<B> std::fmt::Debug for Kind<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Served(_) => "Served",
            Self::Ended => "Ended",
        })
    }
}
