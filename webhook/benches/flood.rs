//! How long a review takes while others flood the admission port, on a kept connection as the API server has it and
//! on a new one, and how much memory the webhook's process takes.
//!
//! `cargo bench -p cairn-webhook --bench flood` prints a table. Webhook, reviews and flood share this machine's cores.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to clean up")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::client::TlsStream;

use crate::webhook::{NAME, Webhook, connect_from, review, secure};

#[path = "../tests/flood/webhook.rs"]
mod webhook;

const SPAN: Duration = Duration::from_secs(8);
/// Between two reviews.
const PAUSE: Duration = Duration::from_millis(5);
/// The argument that makes this program the webhook.
const SERVE: &str = "serve";
const EVICTED: &str = "cairn_webhook_connections_evicted_total{listener=\"admission\"";
/// For the 99th percentile.
const TARGET: Duration = Duration::from_millis(10);

/// What others do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flood {
    None,
    /// Connections that send nothing; so many are held.
    Idle(usize),
    /// Connections that send the first bytes of a TLS record.
    Stalled(usize),
    /// Complete handshakes, then nothing.
    Handshakes,
    /// Bodies of 64 MiB, sent as fast as they are taken.
    Bodies,
}

/// What the flood's threads share.
#[derive(Debug, Default)]
struct Progress {
    stop: AtomicBool,
    count: AtomicU64,
    /// All connections that shall be held are open.
    full: AtomicBool,
}

/// Times in order.
struct Times(Vec<Duration>);

// === impl Times ===

impl Times {
    /// The time that this share of all reviews, in percent, did not exceed.
    fn at(&self, share: usize) -> Duration {
        self.0.get(self.0.len() * share / 100).copied().unwrap_or_default()
    }
}

fn main() {
    if std::env::args().any(|argument| argument == SERVE) {
        webhook::serve();
        return;
    }
    let heads = ["flood", "per s", "kept p50", "p99", "new p50", "p99", "evicted", "MiB"];
    let [flood, per_second, kept, kept_p99, new, new_p99, evicted, memory] = heads;
    println!(
        "{flood:<36} {per_second:>8} {kept:>9} {kept_p99:>9} {new:>9} {new_p99:>9} {evicted:>8} {memory:>4}"
    );
    for (name, flood) in [
        ("none", Flood::None),
        ("10,000 idle connections are open", Flood::Idle(10_000)),
        ("idle connections without a pause", Flood::Idle(1)),
        ("2,000 stalled handshakes are open", Flood::Stalled(2000)),
        ("stalled handshakes without a pause", Flood::Stalled(1)),
        ("bodies of 64 MiB without a pause", Flood::Bodies),
        ("whole handshakes without a pause", Flood::Handshakes),
    ] {
        let webhook = Webhook::start(&[SERVE]);
        let (kept, new, per_second, evicted) = measure(&webhook, flood);
        let verdict = if kept.at(99) < TARGET { "" } else { "  p99 above 10 ms" };
        println!(
            "{name:<36} {per_second:>8} {:>9.1?} {:>9.1?} {:>9.1?} {:>9.1?} {evicted:>8} {:>4}{verdict}",
            kept.at(50),
            kept.at(99),
            new.at(50),
            new.at(99),
            webhook.peak_memory() >> 20,
        );
    }
}

/// Times on a kept and on new connections, how much of the flood there was per second, and evictions.
fn measure(webhook: &Webhook, flood: Flood) -> (Times, Times, u64, u64) {
    let progress = Arc::new(Progress::default());
    let flooding = {
        let (progress, address, connector) =
            (Arc::clone(&progress), webhook.admission, webhook.connector.clone());
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(flood, address, &connector, &progress));
        })
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let measured = runtime.block_on(async {
        webhook.admits().await;
        while !progress.full.load(Ordering::Relaxed) {
            sleep(PAUSE).await;
        }
        let (began, counted) = (Instant::now(), progress.count.load(Ordering::Relaxed));
        let kept = reviews(webhook, true).await;
        let new = reviews(webhook, false).await;
        let count = progress.count.load(Ordering::Relaxed) - counted;
        let per_second = count / began.elapsed().as_secs().max(1);
        (kept, new, per_second, webhook.count(EVICTED).await)
    });
    progress.stop.store(true, Ordering::Relaxed);
    let _ = flooding.join();
    measured
}

/// Reviews one after the other, each timed from its connection, if it has one of its own, to its answer.
async fn reviews(webhook: &Webhook, keep: bool) -> Times {
    let (began, mut took) = (Instant::now(), Vec::new());
    let mut stream = webhook.secured_from(1).await;
    while began.elapsed() < SPAN {
        let asked = Instant::now();
        if !keep {
            stream = webhook.secured_from(1).await;
        }
        let answer = review(&mut stream, if keep { "keep-alive" } else { "close" }).await;
        took.push(asked.elapsed());
        if answer.is_empty() {
            // The kept connection made room for another while it was idle; the API server opens one, too.
            stream = webhook.secured_from(1).await;
        }
        sleep(PAUSE).await;
    }
    took.sort_unstable();
    Times(took)
}

async fn run(
    flood: Flood,
    address: std::net::SocketAddr,
    connector: &tokio_rustls::TlsConnector,
    progress: &Progress,
) {
    let mut held: VecDeque<TcpStream> = VecDeque::new();
    let mut secured: VecDeque<TlsStream<TcpStream>> = VecDeque::new();
    let wanted = match flood {
        Flood::Idle(wanted) | Flood::Stalled(wanted) => wanted,
        _ => 1,
    };
    progress.full.store(wanted == 1, Ordering::Relaxed);
    let mut last = 0;
    while flood != Flood::None && !progress.stop.load(Ordering::Relaxed) {
        if held.len() >= wanted {
            if wanted > 1 {
                // They stay open; nothing is added.
                progress.full.store(true, Ordering::Relaxed);
                sleep(PAUSE).await;
                continue;
            }
            held.pop_front();
        }
        last = (last + 1) % 100;
        let Ok(stream) = connect_from(2 + last, address).await else { continue };
        progress.count.fetch_add(1, Ordering::Relaxed);
        match flood {
            Flood::None | Flood::Idle(_) => held.push_back(stream),
            Flood::Stalled(_) => {
                let _ = stream.try_write(&[22, 3, 1, 2, 0, 1]);
                held.push_back(stream);
            }
            Flood::Handshakes => {
                secured.extend(secure(connector, stream).await.ok());
                if secured.len() > 100 {
                    secured.pop_front();
                }
            }
            Flood::Bodies => {
                if let Ok(stream) = secure(connector, stream).await {
                    large_body(stream).await;
                }
            }
        }
    }
}

async fn large_body(mut stream: TlsStream<TcpStream>) {
    let head = format!("POST /mutate HTTP/1.1\r\nhost: {NAME}\r\ncontent-length: 67108864\r\n\r\n");
    let sending = async {
        let mut sent = stream.write_all(head.as_bytes()).await;
        let chunk = vec![b' '; 64 * 1024];
        for _ in 0..1024 {
            if sent.is_err() {
                break;
            }
            sent = stream.write_all(&chunk).await;
        }
    };
    let _ = timeout(SPAN, sending).await;
}
