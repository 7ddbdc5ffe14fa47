//! A request body that can be sent a second time.
//!
//! The first copy passes frames on as they come, and keeps them. The second copy begins with what was kept and goes on
//! with what is still to come. So a stream can be sent again in the middle, without waiting for its end.
//!
//! Invariant: only the youngest copy reads. An older one that is still polled fails, so that its receiver never takes
//! a part of the body for the whole.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// The error of a body.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body, and what of it was sent.
#[derive(Debug)]
pub struct ReplayBody<B> {
    source: Arc<Mutex<Source<B>>>,
    /// Which copy this is.
    copy: u32,
    /// How many of the kept frames it has passed on.
    passed: usize,
}

#[derive(Debug)]
struct Source<B> {
    body: Pin<Box<B>>,
    /// The youngest copy.
    copy: u32,
    kept: Vec<Kept>,
    /// How many bytes more can be kept; `None` once there were too many.
    room: Option<usize>,
}

#[derive(Clone, Debug)]
enum Kept {
    Data(Bytes),
    Trailers(HeaderMap),
}

// === impl ReplayBody ===

impl<B> ReplayBody<B> {
    /// A body of which at most so many bytes are kept.
    pub fn new(body: B, most: usize) -> Self {
        let source = Source { body: Box::pin(body), copy: 0, kept: Vec::new(), room: Some(most) };
        Self { source: Arc::new(Mutex::new(source)), copy: 0, passed: 0 }
    }

    /// A second handle, to [`ReplayBody::replay`] later.
    pub(crate) fn handle(&self) -> Self {
        Self { source: Arc::clone(&self.source), copy: self.copy, passed: 0 }
    }

    /// The body from its beginning. `None` when more was sent than can be kept. Older copies end with an error.
    pub(crate) fn replay(self) -> Option<Self> {
        let mut source = lock(&self.source);
        source.room?;
        source.copy += 1;
        let copy = source.copy;
        drop(source);
        Some(Self { source: self.source, copy, passed: 0 })
    }
}

impl<B> Body for ReplayBody<B>
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
        let mut source = lock(&this.source);
        if source.copy != this.copy {
            return Poll::Ready(Some(Err("the request was sent to another member".into())));
        }
        if let Some(kept) = source.kept.get(this.passed) {
            this.passed += 1;
            return Poll::Ready(Some(Ok(kept.frame())));
        }
        let polled = source.body.as_mut().poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            source.keep(frame);
            this.passed = source.kept.len();
        }
        polled.map(|next| next.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        let source = lock(&self.source);
        source.copy == self.copy && self.passed >= source.kept.len() && source.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let source = lock(&self.source);
        let kept: u64 = source.kept.iter().skip(self.passed).map(Kept::len).sum();
        let rest = source.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(kept));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(kept));
        }
        hint
    }
}

// === impl Source ===

impl<B> Source<B> {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let kept = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Kept::Data(data.clone()),
            (None, Some(trailers)) => Kept::Trailers(trailers.clone()),
            (None, None) => return,
        };
        let size = usize::try_from(kept.len()).unwrap_or(usize::MAX);
        self.room = self.room.and_then(|room| room.checked_sub(size));
        if self.room.is_some() {
            self.kept.push(kept);
        } else {
            self.kept = Vec::new();
        }
    }
}

// === impl Kept ===

impl Kept {
    fn frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data.clone()),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Data(data) => u64::try_from(data.len()).unwrap_or(u64::MAX),
            Self::Trailers(_) => 0,
        }
    }
}

/// No code panics while it holds the lock.
fn lock<B>(source: &Mutex<Source<B>>) -> MutexGuard<'_, Source<B>> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn body(most: usize) -> ReplayBody<impl Body<Data = Bytes, Error = BoxError>> {
        let frames = ["one", "two"].map(|text| Ok(Frame::data(Bytes::from(text))));
        ReplayBody::new(StreamBody::new(stream::iter(frames)), most)
    }

    async fn next(body: &mut (impl Body<Data = Bytes, Error = BoxError> + Unpin)) -> Option<Bytes> {
        body.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn a_copy_begins_with_what_was_sent_and_goes_on_with_the_rest() {
        let mut first = body(16);
        let again = first.handle();
        assert_eq!(next(&mut first).await.unwrap(), "one");
        let mut second = again.replay().unwrap();
        assert_eq!(next(&mut second).await.unwrap(), "one");
        assert_eq!(next(&mut second).await.unwrap(), "two");
        assert_eq!(next(&mut second).await, None);
    }

    #[tokio::test]
    async fn an_older_copy_is_never_taken_for_the_whole() {
        let mut first = body(16);
        let again = first.handle();
        assert_eq!(next(&mut first).await.unwrap(), "one");
        let _second = again.replay().unwrap();
        assert!(first.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn more_than_can_be_kept_is_sent_once() {
        let mut first = body(5);
        let again = first.handle();
        assert_eq!(next(&mut first).await.unwrap(), "one");
        assert_eq!(next(&mut first).await.unwrap(), "two");
        assert_eq!(next(&mut first).await, None);
        assert!(again.replay().is_none());
    }

    #[test]
    fn the_length_of_a_known_body_stays_known() {
        let body = ReplayBody::new(http_body_util::Full::new(Bytes::from("one")), 16);
        assert_eq!(body.size_hint().exact(), Some(3));
    }
}
