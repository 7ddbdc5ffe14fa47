//! The return to the home member.
//!
//! A transient failure moves a process on to the next member. If processes did not return, a rolling restart of the
//! members would leave all of them at the same member.

use std::sync::Arc;

use cairn_core::keys;
use tokio::time::sleep;

use super::clients::Clients;
use super::requests::{cluster_of, kv_client};
use super::{Etcd, jitter};

/// When the home member is tried again, in milliseconds, at the earliest and at the latest. Longer than the restart
/// of a member takes. Spread, so that not all processes return at once.
const RETURN_AFTER: std::ops::Range<u64> = 30_000..90_000;

impl Etcd {
    /// Returns to the home member whenever it serves again. Runs until it is dropped. A long-lived process runs it
    /// beside its requests.
    pub async fn keep_home(&self) {
        loop {
            if self.clients().is_at_home() {
                self.left_home.notified().await;
            }
            sleep(jitter::between(RETURN_AFTER)).await;
            self.return_home().await;
        }
    }

    /// Returns to the home member if it serves; otherwise stays.
    pub async fn return_home(&self) {
        let clients = self.clients();
        if !clients.is_at_home() && self.home_serves(&clients).await {
            clients.go_home();
        }
    }

    /// Whether the home member answers a linearizable read, as a member of the known cluster.
    async fn home_serves(&self, clients: &Arc<Clients>) -> bool {
        let Ok(member) = clients.choose_home() else {
            return false;
        };
        let key = self.prefix.outer(keys::EPOCH).into_owned();
        let reading = async { kv_client(member.client()).get(key, None).await };
        match self.with_timeout("trying the home member", &member, reading).await {
            Ok(answer) => cluster_of(answer.header()) == self.cluster.known(),
            Err(_) => false,
        }
    }
}
