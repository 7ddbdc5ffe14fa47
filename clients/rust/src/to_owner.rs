//! The layer: which member a request goes to, and the one retry.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri, request};
use http_body::Body;
use tower::{Layer, Service, ServiceExt as _};

use crate::misdirected::is_misdirected;
use crate::owners::{Owner, Owners};
use crate::replay::{BoxError, ReplayBody};

/// How much of a body is kept for the retry: a usual request, and a chunk of a stream that was on its way when the
/// answer came.
const KEPT: usize = 64 * 1024;

/// Sends each request to the owner of its key.
#[derive(Clone, Debug)]
pub struct OwnerLayer<O, K> {
    owners: O,
    key: K,
    kept: usize,
}

/// See [`OwnerLayer`].
#[derive(Clone, Debug)]
pub struct ToOwner<S, O, K> {
    inner: S,
    owners: O,
    key: K,
    kept: usize,
}

type Answer<R> = Pin<Box<dyn Future<Output = Result<R, BoxError>> + Send>>;

// === impl OwnerLayer ===

impl<O, K> OwnerLayer<O, K> {
    /// A layer that takes the key of a request from `key`.
    pub fn new(owners: O, key: K) -> Self {
        Self { owners, key, kept: KEPT }
    }

    /// Keeps at most so many bytes of a request's body for the retry; 64 KiB unless this is called. A request of which
    /// more was sent when 421 came is not sent again: its caller gets the 421.
    #[must_use]
    pub fn keep(self, kept: usize) -> Self {
        Self { kept, ..self }
    }
}

impl<S, O: Clone, K: Clone> Layer<S> for OwnerLayer<O, K> {
    type Service = ToOwner<S, O, K>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { owners, key, kept } = self.clone();
        ToOwner { inner, owners, key, kept }
    }
}

// === impl ToOwner ===

impl<S, O, K, B, T, R> Service<Request<B>> for ToOwner<S, O, K>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    O: Owners,
    K: Fn(&Request<B>) -> T,
    T: AsRef<[u8]>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = Answer<Response<R>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let key = (self.key)(&request).as_ref().to_vec();
        let owners = self.owners.clone();
        let kept = self.kept;
        // The one that is ready.
        let fresh = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, fresh);
        Box::pin(async move {
            let owner = owners.owner(&key)?;
            let (parts, body) = request.into_parts();
            let body = ReplayBody::new(body, kept);
            let again = body.handle();
            let first = inner.call(addressed(parts.clone(), body, &owner)?);
            let answer = first.await.map_err(Into::into)?;
            if !is_misdirected(&answer) {
                return Ok(answer);
            }
            // The member that was asked knows of a later owner than we do.
            let Ok(next) = owners.another(&key, &owner).await else {
                return Ok(answer);
            };
            let Some(body) = again.replay() else {
                return Ok(answer);
            };
            let second = addressed(parts, body, &next)?;
            let inner = inner.ready().await.map_err(Into::into)?;
            inner.call(second).await.map_err(Into::into)
        })
    }
}

/// The request to a member. Everything but scheme and authority of its URI stays.
fn addressed<B>(mut parts: request::Parts, body: B, owner: &Owner) -> Result<Request<B>, BoxError> {
    let mut uri = mem::take(&mut parts.uri).into_parts();
    uri.authority = Some(owner.address.parse::<Authority>()?);
    uri.scheme.get_or_insert(Scheme::HTTP);
    if uri.path_and_query.is_none() {
        uri.path_and_query = Some("/".parse()?);
    }
    parts.uri = Uri::from_parts(uri)?;
    Ok(Request::from_parts(parts, body))
}
