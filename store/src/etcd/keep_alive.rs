//! Renews leases on one stream, which stays open from renewal to renewal.

use std::time::Duration;

use etcd_client::{LeaseClient, LeaseKeepAliveStream, LeaseKeeper};

use super::Etcd;
use crate::error::Error;

/// An open keepalive stream. At most one request is in flight, because replies cannot be matched to requests.
pub(super) struct KeepAliveStream {
    lease: i64,
    member: usize,
    requests: LeaseKeeper,
    replies: LeaseKeepAliveStream,
}

impl Etcd {
    pub(super) async fn renew_on_stream(
        &self,
        stream: &mut Option<KeepAliveStream>,
        lease: i64,
    ) -> Result<Duration, Error> {
        const OPERATION: &str = "renewing the lease";
        let (index, member) = self.member()?;
        let reusable =
            stream.as_ref().is_some_and(|open| open.lease == lease && open.member == index);
        // Taken out while in use: after any failure a stream with an unread reply is dropped.
        let open = stream.take().filter(|_| reusable);
        let renewing = async {
            let mut open = match open {
                Some(open) => open,
                None => open_stream(member.client.lease_client(), lease, index).await?,
            };
            open.requests.keep_alive().await?;
            let reply = open.replies.message().await?;
            Ok((open, reply))
        };
        match self.with_timeout(OPERATION, member, renewing).await {
            Ok((open, Some(reply))) => {
                self.check_cluster(index, reply.header()).await?;
                *stream = Some(open);
                Ok(Duration::from_secs(u64::try_from(reply.ttl()).unwrap_or_default()))
            }
            Ok((_, None)) => {
                self.rotate(index);
                Err(Error::Malformed { operation: OPERATION })
            }
            Err(error) => {
                if error.is_transient() {
                    self.rotate(index);
                }
                match self.confirm(index, error).await {
                    gone if gone.is_lease_gone() => Ok(Duration::ZERO),
                    error => Err(error),
                }
            }
        }
    }
}

async fn open_stream(
    mut leases: LeaseClient,
    lease: i64,
    member: usize,
) -> Result<KeepAliveStream, etcd_client::Error> {
    let (requests, replies) = leases.keep_alive(lease).await?;
    Ok(KeepAliveStream { lease, member, requests, replies })
}

impl std::fmt::Debug for KeepAliveStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keepalive stream of lease {:x} at member {}", self.lease, self.member)
    }
}
