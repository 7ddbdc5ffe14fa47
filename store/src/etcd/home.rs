//! The return to the home member.
//!
//! A transient failure moves a process on to the next member. If processes did not return, a rolling restart of the
//! members would leave all of them at the same member.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use cairn_core::keys;
use tokio::time::sleep;

use super::{Etcd, cluster_of, kv_client};

/// When the home member is tried again, in milliseconds, at the earliest and at the latest. Longer than the restart
/// of a member takes. Spread, so that not all processes return at once.
const RETURN_AFTER: std::ops::Range<u64> = 30_000..90_000;

impl Etcd {
    /// Returns to the home member whenever it serves again. Runs until it is dropped. A long-lived process runs it
    /// beside its requests.
    pub async fn keep_home(&self) {
        loop {
            if self.is_at_home() {
                self.left_home.notified().await;
            }
            sleep(spread(RETURN_AFTER)).await;
            self.return_home().await;
        }
    }

    /// Returns to the home member if it serves; otherwise stays.
    pub async fn return_home(&self) {
        if !self.is_at_home() && self.home_serves().await {
            self.go_home();
        }
    }

    /// Whether the home member answers a linearizable read, as a member of the known cluster.
    async fn home_serves(&self) -> bool {
        let Some(member) = self.members.get(self.home) else {
            return false;
        };
        let key = self.prefix.outer(keys::EPOCH).into_owned();
        let reading = async { kv_client(&member.client).get(key, None).await };
        match self.with_timeout("trying the home member", member, reading).await {
            Ok(answer) => cluster_of(answer.header()) == self.cluster.known(),
            Err(_) => false,
        }
    }
}

fn spread(millis: std::ops::Range<u64>) -> Duration {
    let random = RandomState::new().hash_one(millis.start);
    Duration::from_millis(millis.start + random % (millis.end - millis.start).max(1))
}
