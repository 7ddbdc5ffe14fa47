//! Coordination: this pod as a member of its group (`docs/coordination.md`).
//!
//! The driver (`crate::session`) carries out what `cairn_core::coordination::session` decides. It sends what the
//! machine says as [`Told`]. [`publisher`] writes it into files and then sends it on as [`Shown`], which the API
//! and the metrics read: who hears of a stop over HTTP finds it in the files, too. Commands go the other way, as
//! [`Order`]s.
//!
//! Not for: claims (`crate::claim`), and the connection to etcd, which both share (`crate::etcd_access`).

use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::member::MemberRecord;
use cairn_core::coordination::session::{Command, Refusal, Status};
use thiserror::Error;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::config;

pub mod drain;
pub mod files;
pub mod follow;
pub mod journal;
pub mod json;
pub mod lookup;
pub mod metrics;
pub mod publisher;
pub mod restarts;

use journal::Journal;
use lookup::Lookup;
use restarts::Restarts;

/// Orders that wait for the driver. More would be an app that floods its own sidecar.
const ORDERS: usize = 64;

/// A driver answers a command at once.
const LONGEST_ORDER: Duration = Duration::from_secs(5);

/// What this member is.
#[derive(Clone, Debug)]
pub struct Own {
    /// The pod's UID.
    pub uid: String,
    /// The checked flags.
    pub config: config::Coordination,
}

/// What the driver says, at each change.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The machine's status; `None` before the first session of this process.
    pub status: Option<Arc<Status>>,
    /// Why there is no session, while there has been none.
    pub waiting: String,
    /// The member has left, and there will be no other session of this process.
    pub ended: bool,
}

/// What the API shows: [`Told`], after its files are written.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// As told.
    pub told: Told,
    /// Counts the changes in the [`Journal`].
    pub seq: u64,
}

/// What somebody asks the driver to do.
#[derive(Debug)]
pub enum Order {
    /// A command, and whom to tell what follows from it.
    Command(Command, oneshot::Sender<Result<Done, Refusal>>),
    /// The pod is being deleted: drain, then leave.
    Drain,
}

/// What follows from a command.
#[derive(Clone, Debug)]
pub struct Done {
    /// The status afterwards.
    pub status: Arc<Status>,
    /// Our record as it will be once this command, and those before it, are written.
    pub record: MemberRecord,
    /// How many puts of the leader's value had ended before it.
    pub puts_before: u64,
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrderError {
    /// The machine refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody carries orders out.
    #[error("this member is starting, or has left the group; try again")]
    Away,
}

/// What API, metrics and probes use. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Coordination {
    own: Arc<Own>,
    shown: watch::Receiver<Arc<Shown>>,
    journal: Arc<Journal>,
    orders: mpsc::Sender<Order>,
    counters: metrics::Counters,
    lookup: Lookup,
    restarts: Restarts,
}

/// What the driver uses. The next driver of the same process gets a clone.
#[derive(Clone, Debug)]
pub struct Link {
    /// What this member is.
    pub own: Arc<Own>,
    /// Takes what the machine says.
    pub told: watch::Sender<Arc<Told>>,
    /// Orders. One driver at a time reads them.
    pub orders: Arc<Mutex<mpsc::Receiver<Order>>>,
    /// What the driver counts.
    pub counters: metrics::Counters,
    /// What the kubelet's probes tell of the app.
    pub restarts: Restarts,
}

/// What the publisher uses.
#[derive(Debug)]
pub struct Outlet {
    own: Arc<Own>,
    told: watch::Receiver<Arc<Told>>,
    shown: watch::Sender<Arc<Shown>>,
    journal: Arc<Journal>,
}

/// The three ends of one member's coordination.
pub fn channel(own: Own) -> (Coordination, Link, Outlet) {
    let own = Arc::new(own);
    let journal = Arc::new(Journal::default());
    let (counters, restarts) = (metrics::Counters::default(), Restarts::default());
    let (told, of_driver) = watch::channel(Arc::new(Told::starting()));
    let (shown, of_publisher) = watch::channel(Arc::new(Shown::starting()));
    let (sender, receiver) = mpsc::channel(ORDERS);
    let coordination = Coordination {
        own: Arc::clone(&own),
        shown: of_publisher,
        journal: Arc::clone(&journal),
        orders: sender,
        counters: counters.clone(),
        lookup: Lookup::default(),
        restarts: restarts.clone(),
    };
    let outlet = Outlet { own: Arc::clone(&own), told: of_driver, shown, journal };
    let link = Link { own, told, orders: Arc::new(Mutex::new(receiver)), counters, restarts };
    (coordination, link, outlet)
}

/// The next order; never when all who could give one are gone.
pub async fn next_order(orders: &mut mpsc::Receiver<Order>) -> Order {
    match orders.recv().await {
        Some(order) => order,
        None => std::future::pending().await,
    }
}

// === impl Told ===

impl Told {
    fn starting() -> Self {
        Self { waiting: "asking etcd for the group".to_owned(), ..Self::default() }
    }
}

// === impl Shown ===

impl Shown {
    fn starting() -> Self {
        Self { told: Told::starting(), seq: 0 }
    }

    /// The status, or why there is none yet.
    pub fn status(&self) -> Result<&Arc<Status>, String> {
        let status = self.told.status.as_ref();
        status.ok_or_else(|| format!("there is no session yet: {}", self.told.waiting))
    }
}

// === impl Coordination ===

impl Coordination {
    /// What this member is.
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// What is shown now.
    pub fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.borrow())
    }

    /// What is shown, now and later.
    pub fn watch(&self) -> watch::Receiver<Arc<Shown>> {
        self.shown.clone()
    }

    /// What has changed.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Whom keys belong to.
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// What the kubelet's probes tell of the app.
    pub fn restarts(&self) -> &Restarts {
        &self.restarts
    }

    /// What the driver counts.
    pub fn counters(&self) -> &metrics::Counters {
        &self.counters
    }

    /// Gives the driver a command. The answer is what follows from it at once.
    pub async fn command(&self, command: Command) -> Result<Done, OrderError> {
        let (reply, answer) = oneshot::channel();
        let answered = async {
            self.give(Order::Command(command, reply)).await?;
            answer.await.map_err(|_| OrderError::Away)
        };
        // A driver that ends leaves its orders to the next one, if there is one.
        Ok(timeout(LONGEST_ORDER, answered).await.map_err(|_| OrderError::Away)???)
    }

    /// Tells the driver that the pod is being deleted.
    pub async fn drain(&self) -> Result<(), OrderError> {
        self.give(Order::Drain).await
    }

    async fn give(&self, order: Order) -> Result<(), OrderError> {
        if self.shown.borrow().told.ended {
            return Err(OrderError::Away);
        }
        self.orders.send(order).await.map_err(|_| OrderError::Away)
    }
}
