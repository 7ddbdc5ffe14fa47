//! The app of the tests on a real cluster. It serves the shards that its sidecar grants, as
//! `docs/coordination.md` (What an app must do) says, and journals on standard output:
//!
//! ```text
//! <ns> until <ns>                           the deadline of everything that is served
//! <ns> serve <shard> <epoch>-<revision>     served from this instant on
//! <ns> stop <shard> <epoch>-<revision>      not served any more, because the sidecar said so
//! <ns> expire <shard> <epoch>-<revision>    not served any more, because the deadline has passed
//! <ns> term <number>                        SIGTERM came, and so many shards were served then
//! ```
//!
//! All instants are nanoseconds on `CLOCK_BOOTTIME`. Everything that stops is confirmed at once. Port 8080 answers 200
//! for `/<shard>` that is served here and 421 for any other one. With `BEAT_MS` it sends a heartbeat that often.
//!
//! Not for: examples. Those are in `clients`.

mod served;
mod sidecar;

use std::env;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::served::{Served, Told};
use crate::sidecar::CallError;

/// How often it looks whether it may go on, as an app does before each piece of work. Far below the margin of 2 s.
const PIECE: Duration = Duration::from_millis(50);
/// Before the sidecar is asked again, for example while it restarts.
const RETRY: Duration = Duration::from_millis(100);
/// Where other members reach it.
const PORT: u16 = 8080;

type Shared = Arc<Mutex<Served>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let served = Shared::default();
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::spawn(answer(Arc::clone(&served), TcpListener::bind(("0.0.0.0", PORT)).await?));
    tokio::spawn(work(Arc::clone(&served)));
    if let Some(period) = env::var("BEAT_MS").ok().and_then(|text| text.parse().ok()) {
        tokio::spawn(beat(Duration::from_millis(period)));
    }
    tokio::select! {
        () = follow(&served) => {}
        _ = terminated.recv() => {}
    }
    with(&served, Served::terminate);
    Ok(())
}

/// Changes what is served, and journals it.
fn with(served: &Shared, change: impl FnOnce(&mut Served, u64) -> Vec<String>) {
    let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = change(&mut served, boottime_ns());
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    // Without standard output nobody judges what is served.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Follows the sidecar for ever.
async fn follow(served: &Shared) {
    loop {
        if let Err(error) = follow_once(served).await {
            eprintln!("the sidecar does not answer: {error}");
        }
        sleep(RETRY).await;
    }
}

async fn follow_once(served: &Shared) -> Result<(), CallError> {
    let mut events = sidecar::watch("/v1/shards?watch").await?;
    while let Some(event) = events.next().await? {
        let told: Told = serde_json::from_str(&event)?;
        with(served, |served, now| served.apply(&told, now));
        if !told.stopping.is_empty() {
            sidecar::post("/v1/stopped", &told.confirmation()).await?;
        }
    }
    Ok(())
}

/// One piece of work after the other.
async fn work(served: Shared) {
    loop {
        sleep(PIECE).await;
        with(&served, Served::look);
    }
}

async fn beat(period: Duration) {
    loop {
        if let Err(error) = sidecar::post("/v1/heartbeat", "").await {
            eprintln!("the heartbeat is not taken: {error}");
        }
        sleep(period).await;
    }
}

/// Answers other members.
async fn answer(served: Shared, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(RETRY).await;
            continue;
        };
        let served = Arc::clone(&served);
        tokio::spawn(async move {
            if let Err(error) = answer_one(&served, stream).await {
                eprintln!("a request failed: {error}");
            }
        });
    }
}

async fn answer_one(served: &Shared, stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    let path = request.split_whitespace().nth(1).unwrap_or_default();
    let shard = path.trim_start_matches('/').parse().ok();
    let is_ours = shard.is_some_and(|shard| {
        let served = served.lock().unwrap_or_else(PoisonError::into_inner);
        served.serves(shard, boottime_ns())
    });
    let status = if is_ours { "200 OK" } else { "421 Misdirected Request" };
    let response = format!("HTTP/1.0 {status}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(response.as_bytes()).await
}

/// The clock of all deadlines.
fn boottime_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let part = |part: i64| u64::try_from(part).unwrap_or_default();
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}
