//! Renews leases, each on a stream of its own that stays open from renewal to renewal.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{LeaseClient, LeaseKeepAliveStream, LeaseKeeper};

use super::Etcd;
use super::clients::ChosenMember;
use crate::error::Error;

const OPERATION: &str = "renewing the lease";

/// A pod has a lease for its claims and one for its session. Who renews more leases on one connection opens a stream
/// for each renewal.
const MOST_STREAMS: usize = 2;

/// The open streams that no renewal uses.
#[derive(Debug, Default)]
pub(super) struct KeepAliveStreams(Mutex<Vec<KeepAliveStream>>);

/// An open keepalive stream. At most one request is in flight, because replies cannot be matched to requests.
pub(super) struct KeepAliveStream {
    lease: i64,
    member: ChosenMember,
    requests: LeaseKeeper,
    replies: LeaseKeepAliveStream,
}

impl Etcd {
    /// Renews a lease on its open stream, or on a new one. A stream that ends because users or roles were changed is
    /// opened again at once.
    pub(super) async fn renew_on_stream(&self, lease: i64) -> Result<Duration, Error> {
        let patience = self.auth_patience();
        loop {
            match self.try_renew(lease).await {
                Err(error) if patience.allows(&error).await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_renew(&self, lease: i64) -> Result<Duration, Error> {
        let member = self.next_member().await?;
        // Taken out while in use: after any failure a stream with an unread reply is dropped.
        let open = self.keep_alive_streams.take(lease).filter(|open| open.member.is_same(&member));
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
                self.keep_alive_streams.put(open);
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

// === impl KeepAliveStreams ===

impl KeepAliveStreams {
    /// Closes the streams that no renewal uses.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn take(&self, lease: i64) -> Option<KeepAliveStream> {
        let mut open = self.lock();
        let index = open.iter().position(|stream| stream.lease == lease)?;
        Some(open.swap_remove(index))
    }

    fn put(&self, stream: KeepAliveStream) {
        let mut open = self.lock();
        open.retain(|other| other.lease != stream.lease);
        if open.len() >= MOST_STREAMS {
            open.remove(0);
        }
        open.push(stream);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<KeepAliveStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
