//! Reads that the protocol does not need: for the mirror and the command line.

use std::time::Duration;

use etcd_client::GetOptions;

use super::requests::kv_client;
use super::{Etcd, convert};
use crate::error::Error;
use crate::kv::{KeyValue, prefix_end};

impl Etcd {
    /// All keys with a prefix, at one revision. They are read in pages, so that no answer exceeds gRPC's message limit.
    pub async fn list(&self, prefix: &str) -> Result<(i64, Vec<KeyValue>), Error> {
        /// A slot record takes up to about 700 bytes.
        const PAGE: i64 = 2000;
        let outer = self.prefix.outer(prefix);
        let end = prefix_end(&outer);
        let mut from = outer.as_bytes().to_vec();
        let mut revision = 0;
        let mut found: Vec<KeyValue> = Vec::new();
        loop {
            let options =
                GetOptions::new().with_range(end.clone()).with_limit(PAGE).with_revision(revision);
            let (member, mut answer) = self
                .call("listing keys", |client| {
                    let (mut kv, start, options) =
                        (kv_client(client), from.clone(), options.clone());
                    async move { kv.get(start, Some(options)).await }
                })
                .await?;
            self.check_cluster(&member, answer.header()).await?;
            if revision == 0 {
                revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
            }
            let more = answer.more();
            found.extend(answer.take_kvs().into_iter().map(convert::key_value));
            match found.last() {
                Some(last) if more => {
                    from = last.key.as_bytes().to_vec();
                    from.push(0);
                }
                _ => break,
            }
        }
        for key in &mut found {
            key.key = self.prefix.inner(&key.key).into_owned();
        }
        Ok((revision, found))
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
