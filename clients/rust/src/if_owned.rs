//! The layer of the receiver: a request is served only while this pod owns the shard of its key.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service};

use crate::misdirected::Style;
use crate::own_shards::OwnShards;
use crate::owned_body::OwnedBody;

/// Answers requests for keys of other members with 421.
#[derive(Clone, Debug)]
pub struct OwnedLayer<K> {
    shards: OwnShards,
    key: K,
}

/// See [`OwnedLayer`].
#[derive(Clone, Debug)]
pub struct IfOwned<S, K> {
    inner: S,
    shards: OwnShards,
    key: K,
}

type Answer<R, E> = Pin<Box<dyn Future<Output = Result<Response<OwnedBody<R>>, E>> + Send>>;

// === impl OwnedLayer ===

impl<K> OwnedLayer<K> {
    /// A layer that takes the key of a request from `key`, as the sender does.
    pub fn new(shards: OwnShards, key: K) -> Self {
        Self { shards, key }
    }
}

impl<S, K: Clone> Layer<S> for OwnedLayer<K> {
    type Service = IfOwned<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { shards, key } = self.clone();
        IfOwned { inner, shards, key }
    }
}

// === impl IfOwned ===

impl<S, K, B, T, R> Service<Request<B>> for IfOwned<S, K>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
    K: Fn(&Request<B>) -> T,
    T: AsRef<[u8]>,
    R: Body + Send + 'static,
{
    type Response = Response<OwnedBody<R>>;
    type Error = S::Error;
    type Future = Answer<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let style = Style::of(&request);
        let serving = match self.shards.serve((self.key)(&request).as_ref()) {
            Ok(serving) => serving,
            Err(why) => {
                let answer = style.refusal(&why).map(OwnedBody::text);
                return Box::pin(std::future::ready(Ok(answer)));
            }
        };
        request.extensions_mut().insert(serving.served());
        let working = self.inner.call(request);
        Box::pin(async move {
            let lost = serving.lost();
            tokio::select! {
                answer = working => Ok(answer?.map(|body| OwnedBody::new(body, serving, style))),
                () = lost => {
                    let why = serving.lost_sentence();
                    Ok(style.cut_off(&why).map(OwnedBody::text))
                }
            }
        })
    }
}
