//! The webhook's own certificate for etcd: of the root user, because it manages users and roles.

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::clock;
use cairn_kit::errors::report;
use cairn_store::access::UserName;
use cairn_store::etcd::{Etcd, TlsPem};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::etcd_ca::EtcdCa;

/// Short, because the certificate opens everything and a new one costs nothing.
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// Connects `etcd` with each new issuer, and again at half of the certificate's life. Runs for ever.
pub async fn keep_connected(
    etcd: Arc<Etcd>,
    endpoints: Vec<String>,
    mut ca: watch::Receiver<Option<Arc<EtcdCa>>>,
) {
    loop {
        let present = ca.borrow_and_update().clone();
        let pause = match present {
            None => LIFE,
            Some(present) => match connect(&etcd, &endpoints, &present).await {
                Ok(()) => LIFE / 2,
                Err(error) => {
                    warn!("could not connect to etcd with a new certificate: {error}");
                    RETRY
                }
            },
        };
        // The pause counts on the machine's running time. A machine that slept through it has an old certificate
        // until the pause ends; the connections that it has go on.
        if let Ok(Err(_)) = timeout(pause, ca.changed()).await {
            debug!("nobody follows the issuer any more");
            sleep(LIFE).await;
        }
    }
}

async fn connect(etcd: &Etcd, endpoints: &[String], ca: &EtcdCa) -> Result<(), String> {
    let user = UserName::root();
    let client = ca.issuer.client(user.as_str(), LIFE, clock::now().wall);
    let client = client.map_err(|error| report(&error))?;
    let tls = TlsPem { authorities: ca.servers.clone(), client: Some(client) };
    etcd.replace(endpoints, Some(tls)).await.map_err(|error| error.report())
}
