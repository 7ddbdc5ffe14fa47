//! Keeps the [`Model`] up to date, and publishes its view.
//!
//! One task reads all keys and follows their changes, and begins anew after every error, with the same connection
//! options. Another one asks the members for their health, which also shows an etcd that hangs. Invariants: a queue
//! between them and the model is bounded, so that a burst of changes waits in etcd and not in memory; views are
//! published at most five times a second.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys;
use cairn_kit::backoff::Backoff;
use cairn_kit::clock;
use cairn_store::Kv as _;
use cairn_store::etcd::Etcd;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::model::{Event, Model};
use super::view::View;
use crate::args::access::AccessArgs;
use crate::etcd::EtcdError;
use crate::reach::Reach;

/// More than one view in this time cannot be read by anybody.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// A hanging etcd is noticed after this and the time limit of one request.
const HEALTH_EVERY: Duration = Duration::from_secs(2);
/// Between attempts to reach etcd.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(5) };
/// Events that wait for the model. Each may have thousands of changes.
const QUEUE: usize = 16;
/// Leases that are read at a time.
const LEASES_AT_ONCE: usize = 8;

/// The newest view; `None` before the first one.
pub type Views = watch::Receiver<Option<Arc<View>>>;

/// The connection of now; `None` while there is none.
pub type Connected = watch::Receiver<Option<Arc<Reach>>>;

/// Begins with a connection. Its tasks end when `tasks` is dropped.
pub fn start(
    args: AccessArgs,
    first: Result<Arc<Reach>, String>,
    tasks: &mut JoinSet<()>,
) -> (Views, Connected) {
    let (events, received) = mpsc::channel(QUEUE);
    let (publish, views) = watch::channel(None);
    let (connection, connected) = watch::channel(None);
    tasks.spawn(follow(args, first, events.clone(), connection));
    tasks.spawn(keep(received, events, connected.clone(), publish));
    (views, connected)
}

/// A connection for the feed.
pub async fn connect(args: &AccessArgs) -> Result<Arc<Reach>, EtcdError> {
    Reach::open(args).await.map(Arc::new)
}

/// Reads and follows, for ever.
async fn follow(
    args: AccessArgs,
    first: Result<Arc<Reach>, String>,
    events: mpsc::Sender<Event>,
    connection: watch::Sender<Option<Arc<Reach>>>,
) {
    let mut next = Some(first);
    let mut failures = 0;
    loop {
        let reach = match next.take() {
            Some(first) => first,
            None => connect(&args).await.map_err(|error| error.to_string()),
        };
        let reason = match reach {
            Ok(reach) => {
                connection.send_replace(Some(Arc::clone(&reach)));
                let failed = follow_one(reach.etcd(), &events, &mut failures);
                let health = watch_health(reach.etcd(), &events);
                tokio::select! { reason = failed => reason, () = health => return }
            }
            Err(reason) => reason,
        };
        failures += 1;
        if events.send(Event::Away(reason)).await.is_err() {
            return;
        }
        sleep(BACKOFF.after(failures)).await;
    }
}

/// Follows until an error, which it returns as a message.
async fn follow_one(etcd: &Etcd, events: &mpsc::Sender<Event>, failures: &mut u32) -> String {
    let (revision, found) = match etcd.list(keys::ROOT).await {
        Ok(listed) => listed,
        Err(error) => return error.report(),
    };
    let mut watcher = match etcd.watch(keys::ROOT, revision.saturating_add(1)).await {
        Ok(watcher) => watcher,
        Err(error) => return error.report(),
    };
    *failures = 0;
    let mut event = Event::Listed(revision, found);
    loop {
        if events.send(event).await.is_err() {
            return String::new();
        }
        event = match watcher.next().await {
            Ok(changes) => Event::Changed(changes),
            Err(error) => return error.report(),
        };
    }
}

async fn watch_health(etcd: &Etcd, events: &mpsc::Sender<Event>) {
    while events.send(Event::Health(etcd.health().await)).await.is_ok() {
        sleep(HEALTH_EVERY).await;
    }
}

/// Owns the model: takes events in, and publishes what follows from them.
async fn keep(
    mut received: mpsc::Receiver<Event>,
    events: mpsc::Sender<Event>,
    connected: Connected,
    publish: watch::Sender<Option<Arc<View>>>,
) {
    let mut model = Model::new(clock::now().wall);
    let mut leases = JoinSet::new();
    let at_once = Arc::new(Semaphore::new(LEASES_AT_ONCE));
    let mut newest = Arc::new(View::default());
    loop {
        let (view, unknown) = model.view(clock::now().wall);
        newest = Arc::new(view.after(&newest));
        publish.send_replace(Some(Arc::clone(&newest)));
        let reach = connected.borrow().clone();
        // The same leases are asked for again after the next event, if there was no answer.
        if leases.is_empty()
            && let Some(reach) = reach
        {
            for lease in unknown {
                leases.spawn(lease_end(
                    Arc::clone(&reach),
                    lease,
                    events.clone(),
                    Arc::clone(&at_once),
                ));
            }
        }
        let Some(event) = received.recv().await else { return };
        model.apply(event, clock::now().wall);
        let publish_at = Instant::now() + PUBLISH_EVERY;
        loop {
            tokio::select! {
                () = sleep_until(publish_at) => break,
                Some(event) = received.recv() => model.apply(event, clock::now().wall),
                Some(_) = leases.join_next() => {}
            }
        }
    }
}

async fn lease_end(
    reach: Arc<Reach>,
    lease: i64,
    events: mpsc::Sender<Event>,
    at_once: Arc<Semaphore>,
) {
    let Ok(_permit) = at_once.acquire().await else { return };
    // What fails is asked for again.
    if let Ok(left) = reach.etcd().time_to_live(lease).await {
        let ends = left.map(|left| clock::now().wall.after(left));
        let _ = events.send(Event::LeaseEnds(lease, ends)).await;
    }
}
