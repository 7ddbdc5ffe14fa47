//! One request to one member: its time limit, what follows from its failure, and the check of its answer's cluster.
//!
//! While users or roles are being changed, etcd refuses requests of everybody with "revision of auth store is old".
//! Nothing was applied then, and the member is not at fault, so the same request is sent again after a short pause.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys;
use etcd_client::{Client, KvClient, ResponseHeader};
use futures::FutureExt as _;
use futures::future::{Either, select};
use tokio::time::{Instant, sleep, timeout};

use super::clients::ChosenMember;
use super::{Etcd, MAX_MESSAGE, classify, jitter};
use crate::cluster::ClusterId;
use crate::error::Error;
use crate::records::Installation;

/// The pauses before a request is sent again, in milliseconds, at the least and at the most. A change of users takes
/// etcd a few milliseconds. Spread, so that all clients do not return at once.
const AUTH_PAUSE: std::ops::Range<u64> = 1..16;

/// How long requests are repeated that a change of users has stopped.
pub(super) struct AuthPatience {
    until: Instant,
}

// === impl AuthPatience ===

impl AuthPatience {
    /// Waits before the next attempt. False when there is none: the error is another one, or the time is over.
    pub(super) async fn allows(&self, error: &Error) -> bool {
        let again = classify::auth_changed(error) && Instant::now() < self.until;
        if again {
            sleep(jitter::between(AUTH_PAUSE)).await;
        }
        again
    }
}

// === impl Etcd ===

impl Etcd {
    pub(super) fn auth_patience(&self) -> AuthPatience {
        AuthPatience { until: Instant::now() + self.request_timeout() }
    }

    /// Sends a request to the current member. Returns the member with the answer.
    pub(super) fn call<T, F, Fut>(
        &self,
        operation: &'static str,
        request: F,
    ) -> impl Future<Output = Result<(ChosenMember, T), Error>>
    where
        F: Fn(&Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.call_within(1, operation, request)
    }

    /// The same, but an attempt may take so many times the limit.
    pub(super) async fn call_within<T, F, Fut>(
        &self,
        times: u32,
        operation: &'static str,
        request: F,
    ) -> Result<(ChosenMember, T), Error>
    where
        F: Fn(&Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        let patience = self.auth_patience();
        loop {
            let member = self.next_member().await?;
            let answer = {
                let passed = pin!(self.limits.passed(self.limits.begin(times)));
                let request = pin!(request(member.client()));
                match select(request, passed).await {
                    Either::Left((answer, _)) => {
                        let endpoint = member.endpoint();
                        answer.map_err(|error| classify::call_failed(operation, endpoint, error))
                    }
                    Either::Right((after, _)) => Err(no_answer(operation, &member, after)),
                }
            };
            let error = match answer {
                Ok(answer) => return Ok((member, answer)),
                // Boxed, because the future of every request would have to be as large otherwise.
                Err(error) => Box::pin(self.failed(&member, error)).await,
            };
            if !patience.allows(&error).await {
                return Err(error);
            }
        }
    }

    /// The member for the next request. Waits for members while there are none yet.
    pub(super) async fn next_member(&self) -> Result<ChosenMember, Error> {
        let present = self.clients();
        if !present.is_empty() {
            return present.choose();
        }
        let mut replaced = self.clients.subscribe();
        let known = replaced.wait_for(|clients| !clients.is_empty());
        match timeout(self.request_timeout(), known).await {
            Ok(Ok(clients)) => Arc::clone(&clients).choose(),
            Ok(Err(_)) | Err(_) => Err(Error::NoAccess { reason: self.absence.borrow().clone() }),
        }
    }

    /// Moves on from a member whose failure another one may not have. Checks the cluster of a member whose error has no
    /// header: "lease not found" is a fact about that member's cluster only.
    pub(super) async fn failed(&self, member: &ChosenMember, error: Error) -> Error {
        if classify::is_refusal(&error) || classify::is_distrust(&error) {
            self.refused.notify_one();
        }
        if error.is_transient() && !classify::auth_changed(&error) {
            self.leave(member);
        }
        if !error.is_lease_gone() {
            return error;
        }
        let key = self.prefix.outer(keys::EPOCH).into_owned();
        let reading = async { kv_client(member.client()).get(key, None).await };
        match self.with_timeout("checking the cluster", member, reading).await {
            Ok(answer) => self.check_cluster(member, answer.header()).await.err().unwrap_or(error),
            Err(unknown) => unknown,
        }
    }

    pub(super) async fn with_timeout<T>(
        &self,
        operation: &'static str,
        member: &ChosenMember,
        request: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Error> {
        with_limit(self.request_timeout(), operation, member, request).await
    }

    /// Refuses an answer of another cluster, and moves on to the next member.
    pub(super) async fn check_cluster(
        &self,
        member: &ChosenMember,
        header: Option<&ResponseHeader>,
    ) -> Result<(), Error> {
        // A gateway may leave headers out. Then there is nothing to check.
        let Some(found) = cluster_of(header) else {
            return Ok(());
        };
        let Err(mismatch) = self.cluster.check(Instant::now(), found) else {
            return Ok(());
        };
        if Box::pin(self.is_successor(member, mismatch.known, found)).await {
            self.cluster.accept(found);
        }
        self.leave(member);
        Err(Error::OtherCluster {
            endpoint: member.endpoint().to_owned(),
            known: mismatch.known,
            found,
            accepted_after: mismatch.accepted_after,
        })
    }

    /// Whether an administrator has recorded a member's cluster as the successor of the known one.
    async fn is_successor(
        &self,
        member: &ChosenMember,
        known: ClusterId,
        found: ClusterId,
    ) -> bool {
        let key = self.prefix.outer(keys::INSTALLATION).into_owned();
        let reading = async { kv_client(member.client()).get(key, None).await };
        let Ok(answer) = self.with_timeout("reading the installation", member, reading).await
        else {
            return false;
        };
        cluster_of(answer.header()) == Some(found)
            && answer.kvs().first().is_some_and(|record| {
                Installation::parse(record.value())
                    .is_ok_and(|record| record.succeeds(known, found))
            })
    }

    pub(super) fn leave(&self, member: &ChosenMember) {
        member.leave();
        if !self.clients().is_at_home() {
            self.left_home.notify_one();
        }
    }

    /// The limit of a request on whose answer a deadline hangs, or of one beside another request.
    pub(super) fn request_timeout(&self) -> Duration {
        self.limits.first()
    }
}

/// Not an async function: its future would hold the request twice.
fn with_limit<T>(
    limit: Duration,
    operation: &'static str,
    member: &ChosenMember,
    request: impl Future<Output = Result<T, etcd_client::Error>>,
) -> impl Future<Output = Result<T, Error>> {
    timeout(limit, request).map(move |answer| match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(classify::call_failed(operation, member.endpoint(), source)),
        Err(_) => Err(no_answer(operation, member, limit)),
    })
}

fn no_answer(operation: &'static str, member: &ChosenMember, after: Duration) -> Error {
    Error::Timeout { operation, endpoint: member.endpoint().to_owned(), after }
}

/// The cluster that sent an answer.
pub(super) fn cluster_of(header: Option<&ResponseHeader>) -> Option<ClusterId> {
    let id = header.map(ResponseHeader::cluster_id)?;
    (id != 0).then_some(ClusterId::new(id))
}

pub(super) fn kv_client(client: &Client) -> KvClient {
    client.kv_client().max_decoding_message_size(MAX_MESSAGE)
}
