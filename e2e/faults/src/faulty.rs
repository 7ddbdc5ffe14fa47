//! The way from a sidecar under test to etcd: requests and answers may be lost, requests may land a
//! second time and late, and a planted bug may change them.
//!
//! Without a bug it does nothing that a network could not do. One liberty is documented: before a
//! pod knows its pools it asks for a lease of a minute; here it is granted the pools' own S at once,
//! so that holders follow one another in seconds from the beginning.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_core::quarantine::WITH_POD;
use cairn_core::time::{BootInstant, Now, UnixMillis};
use cairn_kit::clock::{Clock, SystemClock};
use cairn_store::etcd::Etcd;
use cairn_store::kv::{Kv, Span, Txn, TxnReply};
use cairn_store::{Class, Error};
use tokio::time::sleep;

use crate::bug::{Bug, is_claim, is_renewal};
use crate::control::{Control, Way};

/// One claim in so many lands a second time.
const ECHO_IN: u32 = 12;
/// How often an open watch looks whether it was cut off.
const LOOK: Duration = Duration::from_millis(200);

/// How a sidecar under test is treated.
#[derive(Clone, Debug)]
pub struct Treatment {
    /// The file with [`Control`].
    pub control: PathBuf,
    /// The planted bug.
    pub bug: Option<Bug>,
    /// The longest lease that is granted.
    pub lease: Duration,
    /// How long a lost answer is waited for.
    pub patience: Duration,
}

/// A machine's clocks with a pod's own errors.
#[derive(Clone, Debug)]
pub struct PodClock(pub PathBuf);

/// The faulty way.
pub struct Faulty {
    inner: Arc<Etcd>,
    treatment: Treatment,
    /// What a false renewal repeats.
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
    /// A way to a connected etcd.
    pub fn new(inner: Etcd, treatment: Treatment) -> Self {
        Self { inner: Arc::new(inner), treatment, remembered: Mutex::default() }
    }

    fn has(&self, bug: Bug) -> bool {
        self.treatment.bug == Some(bug)
    }

    /// Sends a request as far as it gets.
    async fn send<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let way = Control::read(&self.treatment.control).way;
        if way == Way::Open {
            return request.await;
        }
        if way == Way::Deaf {
            // What became of it is exactly what its sender does not learn.
            let _ = request.await;
        }
        sleep(self.treatment.patience).await;
        Err(Error::Injected(Class::Ambiguous))
    }

    /// Lets a claim land once more, later, as a network may.
    fn echo(&self, txn: &Txn) {
        let always = self.has(Bug::UnguardedQueue);
        if !is_claim(txn) || !(always || fastrand::u32(0..ECHO_IN) == 0) {
            return;
        }
        let (inner, txn) = (Arc::clone(&self.inner), txn.clone());
        let late = Duration::from_millis(fastrand::u64(500..3_000));
        tokio::spawn(async move {
            sleep(late).await;
            // Nobody waits for this answer.
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
        let answer = self.send(self.inner.txn(txn)).await;
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
        // A rest that waits for the end of its pod is no lease of a pod.
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
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("treatment", &self.treatment).finish_non_exhaustive()
    }
}
