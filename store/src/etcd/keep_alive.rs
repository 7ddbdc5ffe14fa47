//! Renews leases on one stream, which stays open from renewal to renewal.

use std::time::Duration;

use etcd_client::{LeaseClient, LeaseKeepAliveStream, LeaseKeeper};

use super::Etcd;
use super::clients::ChosenMember;
use crate::error::Error;

const OPERATION: &str = "renewing the lease";

/// An open keepalive stream. At most one request is in flight, because replies cannot be matched to requests.
pub(super) struct KeepAliveStream {
    lease: i64,
    member: ChosenMember,
    requests: LeaseKeeper,
    replies: LeaseKeepAliveStream,
}

impl Etcd {
    /// Renews a lease on the open stream, or on a new one. A stream that ends because users or roles were changed is
    /// opened again at once.
    pub(super) async fn renew_on_stream(
        &self,
        stream: &mut Option<KeepAliveStream>,
        lease: i64,
    ) -> Result<Duration, Error> {
        let patience = self.auth_patience();
        loop {
            match self.try_renew(stream, lease).await {
                Err(error) if patience.allows(&error).await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_renew(
        &self,
        stream: &mut Option<KeepAliveStream>,
        lease: i64,
    ) -> Result<Duration, Error> {
        let member = self.next_member().await?;
        let reusable =
            stream.as_ref().is_some_and(|open| open.lease == lease && open.member.is_same(&member));
        // Taken out while in use: after any failure a stream with an unread reply is dropped.
        let open = stream.take().filter(|_| reusable);
        let renewing = async {
            let mut open = match open {
                Some(open) => open,
                None => open_stream(&member, lease).await?,
            };
            open.requests.keep_alive().await?;
            let reply = open.replies.message().await?;
            Ok((open, reply))
        };
        match self.with_timeout(OPERATION, &member, renewing).await {
            Ok((open, Some(reply))) => {
                self.check_cluster(&member, reply.header()).await?;
                *stream = Some(open);
                Ok(Duration::from_secs(u64::try_from(reply.ttl()).unwrap_or_default()))
            }
            Ok((_, None)) => {
                self.leave(&member);
                Err(Error::Malformed { operation: OPERATION })
            }
            Err(error) => match Box::pin(self.failed(&member, error)).await {
                gone if gone.is_lease_gone() => Ok(Duration::ZERO),
                error => Err(error),
            },
        }
    }
}

async fn open_stream(
    member: &ChosenMember,
    lease: i64,
) -> Result<KeepAliveStream, etcd_client::Error> {
    let mut leases: LeaseClient = member.client().lease_client();
    let (requests, replies) = leases.keep_alive(lease).await?;
    Ok(KeepAliveStream { lease, member: member.clone(), requests, replies })
}

impl std::fmt::Debug for KeepAliveStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keepalive stream of lease {:x} at {}", self.lease, self.member.endpoint())
    }
}
