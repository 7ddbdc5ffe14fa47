//! The connection to the pod's own sidecar.

use std::path::PathBuf;

use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// The name of this machine: the sidecar refuses requests that name another one.
const HERE: &str = "http://localhost";

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
