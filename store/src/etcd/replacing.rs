//! Replaces the clients of all members: other endpoints, or certificates that were renewed.
//!
//! A request in flight finishes on the client that it began with. The next renewal opens a new stream, and watches move
//! to the new clients. Known cluster and home member stay. When the new clients cannot be made, the present ones go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use super::{Etcd, TlsPem};
use crate::error::Error;

/// How often TLS files are read again. They are small, and are renewed long before certificates expire.
const TLS_FILES_PERIOD: Duration = Duration::from_secs(5);

impl Etcd {
    /// Replaces endpoints and certificates.
    pub async fn replace(&self, endpoints: &[String], tls: Option<TlsPem>) -> Result<(), Error> {
        let clients = self.connector.clients(endpoints, tls).await?;
        self.clients.send_modify(|present| *present = Arc::new(clients.succeed(present)));
        // The streams of the former clients. The next renewal notices those that are in use.
        self.keep_alive_streams.clear();
        Ok(())
    }

    /// Reads the TLS files again, and makes new clients when they have changed. Answers whether they have. While a file
    /// is missing or being written, or key and certificate do not match, the present clients go on.
    pub async fn reload_tls_files(&self) -> Result<bool, Error> {
        let Some(files) = &self.tls_files else {
            return Ok(false);
        };
        let (found, present) = (files.load()?, self.clients());
        if present.tls() == Some(&found) {
            return Ok(false);
        }
        self.replace(&present.endpoints(), Some(found)).await?;
        Ok(true)
    }

    /// Makes new clients whenever the TLS files change. Does nothing without TLS files. Never returns. A long-lived
    /// process runs it beside its requests.
    pub async fn follow_tls_files(&self) {
        if self.tls_files.is_none() {
            std::future::pending::<()>().await;
        }
        let mut failing = false;
        loop {
            sleep(TLS_FILES_PERIOD).await;
            match self.reload_tls_files().await {
                Ok(changed) => {
                    if changed {
                        info!("etcd's TLS files have changed; using the new certificates");
                    }
                    failing = false;
                }
                // Once, not every few seconds.
                Err(error) if !failing => {
                    failing = true;
                    warn!(
                        "cannot use etcd's TLS files, going on with the former ones: {}",
                        error.report()
                    );
                }
                Err(_) => {}
            }
        }
    }
}
