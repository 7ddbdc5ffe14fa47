//! Members that own the key, and members that do not any more.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

/// A request that a member has received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) host: String,
    pub(crate) path: String,
}

/// A server that ends with the test.
pub(crate) struct Member {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Echoes the body, frame by frame.
    Owner,
    /// Answers 421 after the first frame.
    Former,
    /// Answers 421 after the whole body.
    FormerAfterAll,
}

// === impl Member ===

impl Member {
    pub(crate) async fn owner() -> Self {
        Self::start(Kind::Owner).await
    }

    pub(crate) async fn former() -> Self {
        Self::start(Kind::Former).await
    }

    pub(crate) async fn former_after_all() -> Self {
        Self::start(Kind::FormerAfterAll).await
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let heard = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let heard = Arc::clone(&heard);
                let service = service_fn(move |request| answer(kind, request, Arc::clone(&heard)));
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, seen }
    }
}

async fn answer(
    kind: Kind,
    request: Request<Incoming>,
    heard: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<UnsyncBoxBody<Bytes, hyper::Error>>, Infallible> {
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap().to_owned());
    let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
    let path = request.uri().path().to_owned();
    heard.lock().unwrap().push(Seen { host: host.unwrap(), path });
    let mut body = request.into_body();
    match kind {
        Kind::Owner => return Ok(Response::new(body.boxed_unsync())),
        Kind::Former => drop(body.frame().await),
        Kind::FormerAfterAll => drop(body.collect().await),
    }
    let empty = Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut response = Response::new(empty);
    *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    Ok(response)
}
