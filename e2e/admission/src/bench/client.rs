//! A client with TLS that keeps its connections, as the API server does.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::BenchError;
use super::server::Served;
use crate::tls_servers::HOST;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TlsStream<TcpStream>,
    answer: Vec<u8>,
}

// === impl Client ===

impl Client {
    /// Connects, and verifies the certificate.
    pub async fn connect(served: &Served) -> Result<Self, BenchError> {
        let connector =
            connector(&served.authority).map_err(BenchError::setup("the client's TLS"))?;
        let stream = TcpStream::connect(served.admission).await?;
        stream.set_nodelay(true)?;
        let name =
            ServerName::try_from(HOST).map_err(|error| BenchError::Answer(error.to_string()))?;
        Ok(Self { stream: connector.connect(name, stream).await?, answer: Vec::new() })
    }

    /// Posts a review and waits for its answer, which must have a patch.
    pub async fn post(&mut self, body: &[u8]) -> Result<(), BenchError> {
        let head = format!(
            "POST /mutate HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body).await?;
        self.stream.flush().await?;
        self.answer.clear();
        while !is_complete(&self.answer) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(BenchError::Answer("the connection was closed".to_owned()));
            }
        }
        let text = String::from_utf8_lossy(&self.answer);
        if text.contains("\"JSONPatch\"") {
            Ok(())
        } else {
            Err(BenchError::Answer(text.into_owned()))
        }
    }
}

/// Whether an answer with a length is there as a whole.
fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}

fn connector(authority: &str) -> Result<TlsConnector, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert!(is_complete(answer));
        assert!(!is_complete(&answer[..answer.len() - 1]));
        assert!(!is_complete(b"HTTP/1.1 200 OK\r\n"));
    }
}
