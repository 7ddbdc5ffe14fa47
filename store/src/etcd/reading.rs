//! Reads that the protocol does not need: for the mirror and the command line.

use std::time::Duration;

use super::Etcd;
use crate::error::Error;
use crate::kv::{KeyValue, Listing};

impl Etcd {
    /// All keys with a prefix, at one revision.
    pub async fn list(&self, prefix: &str) -> Result<(i64, Vec<KeyValue>), Error> {
        /// A slot record takes up to about 700 bytes.
        const PAGE: i64 = 2000;
        let mut listing = Listing::below(prefix, PAGE);
        let mut found = Vec::new();
        while let Some(page) = listing.next(self).await? {
            found.extend(page);
        }
        Ok((listing.revision(), found))
    }

    /// The time until a lease ends unless it is renewed; `None` when it does not exist.
    pub(super) async fn lease_time_to_live(&self, lease: i64) -> Result<Option<Duration>, Error> {
        let (member, answer) = self
            .call("reading a lease's time to live", |client| {
                let mut leases = client.lease_client();
                async move { leases.time_to_live(lease, None).await }
            })
            .await?;
        self.check_cluster(&member, answer.header()).await?;
        // -1 means that the lease does not exist.
        Ok(u64::try_from(answer.ttl()).ok().map(Duration::from_secs))
    }
}
