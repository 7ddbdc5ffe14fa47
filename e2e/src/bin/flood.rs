//! Helper of the tests in `full_ports.rs`; runs in a network namespace of the cluster.
//!
//! `cairn-flood hold ADDRESS COUNT SECONDS` keeps that many connections with an unfinished HTTP request open, and
//! replaces those that the server closes. `cairn-flood probe ADDRESS PATH SECONDS` probes as a kubelet does, each time
//! on a new connection, and fails when one answer takes longer than a kubelet waits by default.

use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use cairn_e2e::clock::Moment;

/// A request whose headers have no end.
const HALF: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n";
/// The pause between two rounds over all connections, and between two probes.
const PAUSE: Duration = Duration::from_millis(100);
/// The default of a probe's `timeoutSeconds`.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["hold", address, count, seconds] => hold(address, count, seconds),
        ["probe", address, path, seconds] => probe(address, path, seconds),
        _ => {
            Err("write: cairn-flood hold ADDRESS COUNT SECONDS, or probe ADDRESS PATH SECONDS"
                .into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cairn-flood: {error}");
            ExitCode::FAILURE
        }
    }
}

fn hold(address: &str, count: &str, seconds: &str) -> Outcome {
    let (address, count): (SocketAddr, usize) = (address.parse()?, count.parse()?);
    let span = Duration::from_secs(seconds.parse()?);
    let (began, mut held, mut opened) = (Moment::now(), Vec::new(), 0_usize);
    while began.age() < span {
        while held.len() < count {
            let Ok(stream) = open(&address) else { break };
            held.push(stream);
            opened += 1;
        }
        held.retain_mut(is_open);
        thread::sleep(PAUSE);
    }
    println!("opened {opened} connections, {} of them are still open", held.len());
    Ok(())
}

fn open(address: &SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(address, PROBE_TIMEOUT)?;
    stream.write_all(HALF)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn is_open(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn probe(address: &str, path: &str, seconds: &str) -> Outcome {
    let address: SocketAddr = address.parse()?;
    let span = Duration::from_secs(seconds.parse()?);
    let (began, mut took) = (Moment::now(), Vec::new());
    while began.age() < span {
        let asked = Moment::now();
        ask(&address, path).map_err(|error| {
            format!("probe {} failed after {:?}: {error}", took.len() + 1, asked.age())
        })?;
        took.push(asked.age());
        thread::sleep(PAUSE);
    }
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or_default();
    let slowest = took.last().copied().unwrap_or_default();
    println!("{} probes answered, median {median:?}, slowest {slowest:?}", took.len());
    Ok(())
}

fn ask(address: &SocketAddr, path: &str) -> Outcome {
    let mut stream = TcpStream::connect_timeout(address, PROBE_TIMEOUT)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer.into()) }
}
