//! How long a probe waits while others open connections as fast as they can.
//!
//! `cargo bench -p cairn-kit` prints a table. Server, probe and flood share this machine's cores.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cairn_kit::serve::{Limits, Metrics, Server, bind};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio::time::Instant;

/// As the sidecar's admin listener.
const CONNECTIONS: usize = 256;
const SPAN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

fn main() -> std::io::Result<()> {
    let address = serve()?;
    println!("flood                                     opened/s       p50       p99   slowest");
    for (name, flooders, held) in [
        ("none", 0, 0),
        ("200 half-open connections, refilled", 1, 200),
        ("new connections without a pause", 1, 1),
        ("the same from 200 addresses", 200, 1),
    ] {
        let (stop, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let flood = {
            let (stop, opened) = (Arc::clone(&stop), Arc::clone(&opened));
            thread::spawn(move || flood(address, flooders, held, &stop, &opened))
        };
        let mut took = probe(address)?;
        stop.store(true, Ordering::Relaxed);
        let _ = flood.join();
        took.sort_unstable();
        let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
        let (median, slow, slowest) = (at(50), at(99), took.last().copied().unwrap_or_default());
        let rate = opened.load(Ordering::Relaxed) / SPAN.as_secs();
        println!("{name:<40} {rate:>9} {median:>9.1?} {slow:>9.1?} {slowest:>9.1?}");
    }
    Ok(())
}

/// A server on a thread of its own, as in the sidecar.
fn serve() -> std::io::Result<SocketAddr> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _entered = runtime.enter();
        bind("--listen", (Ipv4Addr::LOCALHOST, 0).into()).map_err(std::io::Error::other)?
    };
    let address = listener.local_addr()?;
    let routes = Router::new().route("/livez", get(async || "ok\n"));
    let server = Server::new("bench", routes, Limits::small(CONNECTIONS), &Metrics::default());
    thread::spawn(move || runtime.block_on(server.run(listener)));
    Ok(address)
}

/// Opens connections from this many addresses until it is stopped, and keeps the last `held` of each.
fn flood(
    address: SocketAddr,
    addresses: u8,
    held: usize,
    stop: &AtomicBool,
    opened: &AtomicU64,
) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut streams = std::collections::VecDeque::new();
        while addresses > 0 && !stop.load(Ordering::Relaxed) {
            for last in 0..addresses {
                let socket = TcpSocket::new_v4()?;
                socket.bind((Ipv4Addr::new(127, 0, 1, last + 1), 0).into())?;
                let Ok(stream) = socket.connect(address).await else { continue };
                let _ = stream.try_write(b"GET /livez HTTP/1.1\r\nhost: x\r\n");
                opened.fetch_add(1, Ordering::Relaxed);
                streams.push_back(stream);
                if streams.len() > held * usize::from(addresses) {
                    streams.pop_front();
                }
            }
        }
        Ok(())
    })
}

fn probe(address: SocketAddr) -> std::io::Result<Vec<Duration>> {
    let (began, mut took) = (Instant::now(), Vec::new());
    while began.elapsed() < SPAN {
        let asked = Instant::now();
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        took.push(asked.elapsed());
        thread::sleep(PAUSE);
    }
    Ok(took)
}
