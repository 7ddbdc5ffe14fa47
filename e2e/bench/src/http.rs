//! Reads etcd's HTTP pages: metrics, health, version.

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;

/// Why a page could not be read.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The connection could not be opened.
    #[error("could not connect to {address}")]
    Connect {
        /// The address.
        address: String,
        /// The error.
        #[source]
        source: std::io::Error,
    },
    /// The request failed, or its answer was incomplete.
    #[error("could not read http://{address}{path}")]
    Read {
        /// The address.
        address: String,
        /// The path of the page.
        path: &'static str,
        /// The error.
        #[source]
        source: hyper::Error,
    },
}

/// Reads a page as text.
pub async fn get(address: &str, path: &'static str) -> Result<String, HttpError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| HttpError::Connect { address: address.to_owned(), source })?;
    let page = read(stream, address, path).await;
    page.map_err(|source| HttpError::Read { address: address.to_owned(), path, source })
}

async fn read(
    stream: TcpStream,
    address: &str,
    path: &'static str,
) -> Result<String, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // This task ends with the sender. The request returns its error.
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = hyper::Uri::from_static(path);
    if let Ok(host) = header::HeaderValue::from_str(address) {
        request.headers_mut().insert(header::HOST, host);
    }
    let body = sender.send_request(request).await?.into_body().collect().await?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}
