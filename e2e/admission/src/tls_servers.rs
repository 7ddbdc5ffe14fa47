//! What a webhook of the tests serves with: the servers of `cairn-webhook`, and a certificate for this machine.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use cairn_kit::clock;
use cairn_kit::serve::{Metrics, Server};
use cairn_webhook::certs::lives::Lives;
use cairn_webhook::certs::mint::{self, MintError};
use cairn_webhook::server::Servers;
use cairn_webhook::tls::{Leaf, Tls};
use prometheus_client::registry::Registry;
use thiserror::Error;

/// The name in the certificate.
pub const HOST: &str = "localhost";
/// A pod with 2,000 variables has 200 kB. As in cairn-webhook.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Servers with TLS for reviews, and without for the rest.
#[derive(Debug)]
pub struct TlsServers {
    /// The authority that verifies the certificate, PEM.
    pub authority: String,
    servers: Servers,
    tls: Tls,
}

/// Why there are none.
#[derive(Debug, Error)]
pub enum TlsServersError {
    /// The certificate.
    #[error("could not make a certificate")]
    Certificate(#[from] MintError),
    /// TLS.
    #[error("could not set up TLS")]
    Tls(#[from] rustls::Error),
}

/// Makes an authority of their own and the certificate.
pub fn tls_servers() -> Result<TlsServers, TlsServersError> {
    let now = clock::now().wall;
    let lives = Lives::default();
    let authority = mint::authority(&lives, now)?;
    let leaf = Arc::new(Leaf::default());
    leaf.replace(mint::leaf(&authority, &[HOST.to_owned()], &lives, now)?.key);
    Ok(TlsServers {
        authority: authority.certificate().pem(),
        servers: Servers::new(Metrics::register(&mut Registry::default())),
        tls: Tls::http1(leaf)?,
    })
}

// === impl TlsServers ===

impl TlsServers {
    /// Of reviews.
    pub fn reviews(&self, routes: Router) -> Server<Tls> {
        self.servers.admission(routes.layer(DefaultBodyLimit::max(MAX_BODY)), self.tls.clone())
    }

    /// Of anything else, without TLS.
    pub fn admin(&self, routes: Router) -> Server {
        self.servers.admin(routes)
    }
}
