//! The connection of a sidecar under test to etcd: requests and answers may be lost, requests may land a second time
//! and late, and a planted bug may change them.
//!
//! Without a bug it does nothing that a network cannot do, with one exception: before a pod knows its pools, it
//! requests a lease of a minute. Here it is granted the pools' own S at once, so that names change holders within
//! seconds from the beginning.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_core::quarantine::WITH_POD;
use cairn_core::time::{BootInstant, Now, UnixMillis};
use cairn_kit::clock::{Clock, SystemClock};
use cairn_store::etcd::Etcd;
use cairn_store::kv::{Deltas, Follow, Kv, Span, Txn, TxnReply};
use cairn_store::{Class, Error};
use tokio::time::sleep;

use crate::bug::{Bug, is_claim, is_renewal};
use crate::control::{Control, Way};

/// One of so many claims lands a second time.
const ECHO_IN: u32 = 12;
/// How often an open watch checks whether the sidecar is cut off.
const LOOK: Duration = Duration::from_millis(200);

/// The faults of a sidecar under test.
#[derive(Clone, Debug)]
pub struct Treatment {
    /// The file with [`Control`].
    pub control: PathBuf,
    /// The planted bug.
    pub bug: Option<Bug>,
    /// The longest lease that is granted.
    pub lease: Duration,
    /// How long a request without an answer takes.
    pub patience: Duration,
}

/// The clocks of the machine with the errors of a pod.
#[derive(Clone, Debug)]
pub struct PodClock(pub PathBuf);

/// The faulty connection.
pub struct Faulty {
    inner: Arc<Etcd>,
    treatment: Treatment,
    /// The answers that a false renewal repeats.
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    ttl: Option<Duration>,
    reads: HashMap<String, TxnReply>,
    granted: HashMap<i64, Duration>,
}

// === impl PodClock ===

impl Clock for PodClock {
    fn now(&self) -> Now {
        let control = Control::read(&self.0);
        let now = SystemClock.now();
        Now {
            boot: BootInstant::from_nanos(control.shown(now.boot.as_nanos())),
            wall: UnixMillis(now.wall.0.saturating_add(control.wall_offset_ms)),
        }
    }
}

// === impl Faulty ===

impl Faulty {
    /// A faulty connection to etcd.
    pub fn new(inner: Etcd, treatment: Treatment) -> Self {
        Self { inner: Arc::new(inner), treatment, remembered: Mutex::default() }
    }

    fn has(&self, bug: Bug) -> bool {
        self.treatment.bug == Some(bug)
    }

    /// Sends a request, and loses it or its answer when the control file says so.
    async fn send<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let way = Control::read(&self.treatment.control).way;
        if way == Way::Open {
            return request.await;
        }
        if way == Way::Deaf {
            // The sender does not learn the result.
            let _ = request.await;
        }
        sleep(self.treatment.patience).await;
        Err(Error::Injected(Class::Ambiguous))
    }

    /// Sends a claim a second time later, as a network may.
    fn echo(&self, txn: &Txn) {
        let always = self.has(Bug::UnguardedQueue);
        if !is_claim(txn) || !(always || fastrand::u32(0..ECHO_IN) == 0) {
            return;
        }
        let (inner, txn) = (Arc::clone(&self.inner), txn.clone());
        let late = Duration::from_millis(fastrand::u64(500..3_000));
        tokio::spawn(async move {
            sleep(late).await;
            // Nothing waits for this answer.
            let _ = inner.txn(txn).await;
        });
    }

    fn with_memory<T>(&self, work: impl FnOnce(&mut Remembered) -> T) -> T {
        work(&mut self.remembered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kv for Faulty {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        let asked = txn;
        let txn =
            self.treatment.bug.map_or_else(|| asked.clone(), |bug| bug.request(asked.clone()));
        self.echo(&txn);
        let answer = Box::pin(self.send(self.inner.txn(txn))).await;
        let name = format!("{:?}", asked.then);
        let answer = match answer {
            Err(_) if self.has(Bug::FalseRenewal) && is_renewal(&asked) => self
                .with_memory(|memory| memory.reads.get(&name).cloned())
                .ok_or_else(|| Error::Injected(Class::Ambiguous))?,
            answer => answer?,
        };
        if self.has(Bug::FalseRenewal) && is_renewal(&asked) {
            self.with_memory(|memory| memory.reads.insert(name, answer.clone()));
        }
        Ok(match self.treatment.bug {
            Some(bug) => bug.answer(&asked, answer),
            None => answer,
        })
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        // The lease of a quarantine that waits for the end of its pod is not limited.
        let rests = ttl == WITH_POD && !self.has(Bug::ForgetfulRelease);
        let ttl = if rests { ttl } else { ttl.min(self.treatment.lease) };
        if !self.has(Bug::ShortLease) {
            return self.send(self.inner.grant(ttl)).await;
        }
        let (lease, _) = self.send(self.inner.grant(ttl / 3)).await?;
        self.with_memory(|memory| memory.granted.insert(lease, ttl));
        Ok((lease, ttl))
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        let answer = self.send(self.inner.keep_alive(lease)).await;
        if self.has(Bug::FalseRenewal) {
            return self.with_memory(|memory| match (answer, memory.ttl) {
                (Ok(ttl), _) if !ttl.is_zero() => {
                    memory.ttl = Some(ttl);
                    Ok(ttl)
                }
                (_, Some(ttl)) => Ok(ttl),
                (answer, None) => answer,
            });
        }
        let ttl = answer?;
        let said = self.with_memory(|memory| memory.granted.get(&lease).copied());
        Ok(said.filter(|_| !ttl.is_zero()).unwrap_or(ttl))
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.send(self.inner.revoke(lease)).await
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        let cut_off = async {
            while Control::read(&self.treatment.control).way == Way::Open {
                sleep(LOOK).await;
            }
            sleep(self.treatment.patience).await;
            Err(Error::Injected(Class::Ambiguous))
        };
        tokio::select! {
            answer = self.inner.changed(spans, from) => answer,
            lost = cut_off => lost,
        }
    }

    async fn follow(&self, follow: Follow, deltas: Deltas) -> Error {
        let cut_off = async {
            while Control::read(&self.treatment.control).way == Way::Open {
                sleep(LOOK).await;
            }
            sleep(self.treatment.patience).await;
            Error::Injected(Class::Ambiguous)
        };
        tokio::select! {
            error = self.inner.follow(follow, deltas) => error,
            lost = cut_off => lost,
        }
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("treatment", &self.treatment).finish_non_exhaustive()
    }
}
