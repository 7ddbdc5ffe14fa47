//! TLS of the admission listener. The certificate can be replaced at run time.

use std::sync::Arc;
use std::{fmt, io};

use arc_swap::ArcSwapOption;
use cairn_kit::serve::Handshake;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The handshake of the admission listener.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// The served certificate.
#[derive(Debug, Default)]
pub struct Leaf(ArcSwapOption<CertifiedKey>);

// === impl Leaf ===

impl Leaf {
    /// Serves this certificate from the next handshake on.
    pub fn replace(&self, key: CertifiedKey) {
        self.0.store(Some(Arc::new(key)));
    }
}

impl ResolvesServerCert for Leaf {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// TLS 1.2 and 1.3 with the present leaf, for one version of HTTP.
fn config(leaf: Arc<Leaf>, http: &[u8]) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(leaf);
    config.alpn_protocols = vec![http.to_vec()];
    Ok(Arc::new(config))
}

// === impl Tls ===

impl Tls {
    /// Serves the present leaf to HTTP/1.1 clients.
    pub fn http1(leaf: Arc<Leaf>) -> Result<Self, rustls::Error> {
        Ok(Self(TlsAcceptor::from(config(leaf, b"http/1.1")?)))
    }

    /// Serves the present leaf to HTTP/2 clients, such as those of gRPC.
    pub fn http2(leaf: Arc<Leaf>) -> Result<Self, rustls::Error> {
        Ok(Self(TlsAcceptor::from(config(leaf, b"h2")?)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tls")
    }
}

impl Handshake<TcpStream> for Tls {
    type Io = TlsStream<TcpStream>;

    async fn handshake(&self, io: TcpStream) -> io::Result<Self::Io> {
        self.0.accept(io).await
    }
}

#[cfg(test)]
mod tests;
