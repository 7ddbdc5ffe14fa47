//! The connection to the pod's own sidecar.

use std::path::PathBuf;
use std::time::Duration;

use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_proto::v1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::time::sleep;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// The name of this machine: the sidecar refuses requests that name another one.
const HERE: &str = "http://localhost";

/// How long to wait before the sidecar is asked again.
const RETRY: Duration = Duration::from_millis(200);

/// The text is not a target.
#[derive(Debug, Error)]
#[error(
    "'{target}' is not a sidecar; write it like unix:/var/run/cairn/cairn.sock or 127.0.0.1:24040"
)]
pub struct TargetError {
    target: String,
    #[source]
    source: tonic::transport::Error,
}

/// `unix:/var/run/cairn/cairn.sock`, or `127.0.0.1:24040`. It connects with the first request, and again whenever the
/// sidecar has restarted.
pub fn channel(target: &str) -> Result<Channel, TargetError> {
    let failed = |source| TargetError { target: target.to_owned(), source };
    match target.strip_prefix("unix:") {
        Some(path) => {
            let path = PathBuf::from(path);
            let connector = service_fn(move |_| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            Ok(Endpoint::from_static(HERE).connect_with_connector_lazy(connector))
        }
        None => Endpoint::from_shared(format!("http://{target}"))
            .map(|endpoint| endpoint.connect_lazy())
            .map_err(failed),
    }
}

/// A map with a hash of a later version is none.
pub(crate) fn known(map: v1::ShardMap) -> Option<ShardMap> {
    let hash = match v1::KeyHash::try_from(map.hash).ok()? {
        v1::KeyHash::Unspecified => return None,
        v1::KeyHash::Xxh64 => KeyHash::Xxh64,
        v1::KeyHash::Fnv1a64 => KeyHash::Fnv1a64,
        v1::KeyHash::Crc64Iso => KeyHash::Crc64Iso,
        v1::KeyHash::Int => KeyHash::Int,
    };
    Some(ShardMap { shards: map.shards, hash })
}

/// Waits until the sidecar may be asked again.
pub(crate) async fn wait_after(ended: Result<(), Status>) {
    if let Err(status) = ended {
        tracing::debug!(code = ?status.code(), message = status.message(), "the sidecar does not answer");
    }
    sleep(RETRY).await;
}
