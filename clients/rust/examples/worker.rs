//! Processes the shards of this pod's work queue, and journals what it served when.
//!
//! The sidecar tells which shards this pod may serve, and until when. A task per shard looks before each piece of work.
//! What has to stop is finished, and then confirmed, so that the next pod need not wait for the deadline.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_client::sidecar;
use cairn_proto::v1::coordination_client::CoordinationClient;
use cairn_proto::v1::{Shards, StoppedRequest, WatchRequest};
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tonic::Status;
use tonic::transport::Channel;

/// How long one piece of work takes. Far below the margin of 2 s after a deadline, in which it may end.
const PIECE: Duration = Duration::from_millis(20);
/// How long to wait before the sidecar is asked again, for example while it restarts.
const RETRY: Duration = Duration::from_millis(200);

/// Processes the shards of this pod's work queue, and journals what it served when.
#[derive(Debug, Parser)]
struct Args {
    /// The sidecar: unix:PATH or HOST:PORT
    #[arg(long, default_value = "unix:/var/run/cairn/cairn.sock")]
    target: String,
    /// Directory of the work queue
    #[arg(long)]
    queue: PathBuf,
    /// File that says what was served when
    #[arg(long)]
    journal: PathBuf,
}

/// Grows from owner to owner of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fence {
    epoch: i64,
    revision: i64,
}

/// A counter per shard, in files that any pod can write. A file refuses smaller fences than the one it has.
#[derive(Debug)]
struct Queue(PathBuf);

/// Lines `<CLOCK_BOOTTIME ns> serve|stop <shard> <fence>`.
#[derive(Debug)]
struct Journal(File);

/// What the last event named, and until when.
#[derive(Debug, Default)]
struct Grants {
    of: BTreeMap<u32, Fence>,
    deadline_ns: i64,
}

/// What the tasks share.
#[derive(Debug)]
struct Shared {
    queue: Queue,
    journal: Journal,
    grants: Mutex<Grants>,
}

/// Serves what the last event named, until the deadline that it told.
#[derive(Debug)]
struct Worker {
    shared: Arc<Shared>,
    tasks: BTreeMap<u32, JoinHandle<()>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let journal = File::options().append(true).create(true).open(&args.journal)?;
    let shared =
        Shared { queue: Queue(args.queue), journal: Journal(journal), grants: Mutex::default() };
    let mut worker = Worker { shared: Arc::new(shared), tasks: BTreeMap::new() };
    let client = CoordinationClient::new(sidecar::channel(&args.target)?);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        () = follow(client, &mut worker) => {}
        _ = terminated.recv() => {}
    }
    worker.apply(&Shards::default()).await;
    Ok(())
}

/// Follows the sidecar for ever. It asks again when the sidecar restarts.
async fn follow(mut client: CoordinationClient<Channel>, worker: &mut Worker) {
    let mut after = String::new();
    loop {
        if let Err(status) = follow_once(&mut client, worker, &mut after).await {
            eprintln!("the sidecar does not answer: {status}");
        }
        // Until the deadline, the tasks go on by what was told last.
        sleep(RETRY).await;
    }
}

async fn follow_once(
    client: &mut CoordinationClient<Channel>,
    worker: &mut Worker,
    after: &mut String,
) -> Result<(), Status> {
    let request = WatchRequest { after: after.clone() };
    let mut events = client.watch_shards(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        *after = event.id;
        let stops = worker.apply(&event.shards.unwrap_or_default()).await;
        if !stops.is_empty() {
            client.stopped(StoppedRequest { stops }).await?;
        }
    }
    Ok(())
}

/// The clock of all deadlines. It goes on while the machine sleeps.
fn boottime_ns() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

// === impl Worker ===

impl Worker {
    /// Takes an event up. Returns the stop ids that can be confirmed, after their work has ended.
    async fn apply(&mut self, shards: &Shards) -> Vec<String> {
        let fence = |shard: &u32| {
            let revision = shards.fences.get(shard).copied().unwrap_or_default();
            (*shard, Fence { epoch: shards.epoch, revision })
        };
        let of: BTreeMap<u32, Fence> = shards.shards.iter().map(fence).collect();
        let before = self
            .shared
            .replace(Grants { of: of.clone(), deadline_ns: shards.valid_until_boottime_ns });
        for (shard, fence) in before.of {
            if of.get(&shard) != Some(&fence) {
                self.join(shard).await;
            }
        }
        for (shard, fence) in of {
            if self.tasks.get(&shard).is_none_or(JoinHandle::is_finished) {
                let shared = Arc::clone(&self.shared);
                let task = tokio::spawn(async move { shared.serve(shard, fence).await });
                self.tasks.insert(shard, task);
            }
        }
        let mut stops = Vec::new();
        for stopping in &shards.stopping {
            self.join(stopping.shard()).await;
            stops.push(stopping.stop.clone());
        }
        stops
    }

    async fn join(&mut self, shard: u32) {
        if let Some(task) = self.tasks.remove(&shard) {
            // A task that has failed has stopped, too.
            let _ = task.await;
        }
    }
}

// === impl Shared ===

impl Shared {
    async fn serve(&self, shard: u32, fence: Fence) {
        if !self.may_serve(shard, fence) {
            return;
        }
        self.journal.write("serve", shard, fence);
        while self.may_serve(shard, fence) {
            match self.queue.process(shard, fence).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    eprintln!("shard {shard}: {error}");
                    break;
                }
            }
        }
        self.journal.write("stop", shard, fence);
    }

    fn may_serve(&self, shard: u32, fence: Fence) -> bool {
        let grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.of.get(&shard) == Some(&fence) && boottime_ns() < grants.deadline_ns
    }

    fn replace(&self, grants: Grants) -> Grants {
        let mut known = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut known, grants)
    }
}

// === impl Queue ===

impl Queue {
    /// One piece of work. False when a later owner has been here.
    async fn process(&self, shard: u32, fence: Fence) -> io::Result<bool> {
        let path = self.0.join(shard.to_string());
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "0 0 0".to_owned(),
            text => text?,
        };
        let numbers: Vec<i64> =
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [epoch, revision, count] = numbers.as_slice() else {
            return Err(io::Error::other(format!("{} has no counter", path.display())));
        };
        if (Fence { epoch: *epoch, revision: *revision }) > fence {
            return Ok(false);
        }
        sleep(PIECE).await;
        let temporary = path.with_extension("new");
        fs::write(&temporary, format!("{} {} {}\n", fence.epoch, fence.revision, count + 1))?;
        fs::rename(&temporary, &path)?;
        Ok(true)
    }
}

// === impl Journal ===

impl Journal {
    /// One write for each line, also when several tasks write.
    fn write(&self, what: &str, shard: u32, fence: Fence) {
        let line = format!("{} {what} {shard} {fence}\n", boottime_ns());
        if let Err(error) = (&self.0).write_all(line.as_bytes()) {
            eprintln!("cannot write the journal: {error}");
        }
    }
}

// === impl Fence ===

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.revision)
    }
}
