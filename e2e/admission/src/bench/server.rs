//! A handler behind the webhook's own server, in a process of its own, so that its memory is its own.
//!
//! The process says where it serves as the first line of its output, and ends with its standard input. Its admin port
//! tells the time that the handler took for each review since the last question.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use cairn_kit::serve::bind;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::Instant;

use super::handler::Handler;
use super::{BenchError, Kind};
use crate::tls_servers::tls_servers;

/// As in cairn-webhook.
const THREADS: usize = 2;

/// Where it serves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Served {
    /// Reviews, with TLS.
    pub admission: SocketAddr,
    /// Times, without TLS.
    pub admin: SocketAddr,
    /// The authority that verifies it, PEM.
    pub authority: String,
}

/// A running process. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it serves.
    pub served: Served,
    process: Child,
}

#[derive(Debug)]
struct Shared {
    handler: Handler,
    micros: Mutex<Vec<f64>>,
}

// === impl Server ===

impl Server {
    /// Starts this program once more.
    pub fn start(program: &Path, kind: Kind) -> Result<Self, BenchError> {
        let mut process = Command::new(program)
            .args(["serve", kind.word()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let served = serde_json::from_str(&line).map_err(io::Error::from)?;
        Ok(Self { served, process })
    }

    /// The times in the handler since the last question, in microseconds.
    pub async fn times(&self) -> Result<Vec<f64>, BenchError> {
        let mut stream = TcpStream::connect(self.served.admin).await?;
        stream.write_all(b"GET /times HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        Ok(serde_json::from_str(body).map_err(io::Error::from)?)
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its resident memory in KiB.
    pub fn resident(&self) -> u64 {
        cairn_bench::cpu::resident(self.pid())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until standard input is closed.
pub fn serve(kind: Kind) -> Result<(), Box<dyn std::error::Error>> {
    let servers = tls_servers()?;
    let shared = Arc::new(Shared { handler: Handler::new(kind)?, micros: Mutex::default() });
    let reviews = Router::new().route("/mutate", post(mutate)).with_state(Arc::clone(&shared));
    let times = Router::new().route("/times", get(times)).with_state(shared);
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let _entered = runtime.enter();
    let local = (Ipv4Addr::LOCALHOST, 0).into();
    let (admission, admin) = (bind("--listen", local)?, bind("--listen", local)?);
    let served = Served {
        admission: admission.local_addr()?,
        admin: admin.local_addr()?,
        authority: servers.authority.clone(),
    };
    let (of_reviews, of_times) = (servers.reviews(reviews), servers.admin(times));
    runtime.spawn(async move { of_reviews.run(admission).await });
    runtime.spawn(async move { of_times.run(admin).await });
    println!("{}", serde_json::to_string(&served)?);
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

async fn mutate(State(shared): State<Arc<Shared>>, body: Bytes) -> impl IntoResponse {
    let begun = Instant::now();
    let answer = shared.handler.answer(&body).await;
    let micros = begun.elapsed().as_secs_f64() * 1e6;
    shared.micros.lock().unwrap_or_else(PoisonError::into_inner).push(micros);
    ([(CONTENT_TYPE, "application/json")], answer)
}

async fn times(State(shared): State<Arc<Shared>>) -> Json<Vec<f64>> {
    Json(std::mem::take(&mut *shared.micros.lock().unwrap_or_else(PoisonError::into_inner)))
}

// === impl Kind ===

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Cairn => "cairn",
            Self::Typed => "typed",
        }
    }

    /// By the word on the command line.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}
