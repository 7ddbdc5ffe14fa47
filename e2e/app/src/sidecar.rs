//! Calls to the sidecar by HTTP/1.0, in which a response ends with its connection.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The sidecar's API.
const ADDRESS: &str = "127.0.0.1:24040";
/// A sidecar answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// It did not answer in time.
    #[error("no answer in time")]
    Late(#[from] tokio::time::error::Elapsed),
    /// Another status.
    #[error("the answer is '{0}'")]
    Status(String),
    /// An event of another form.
    #[error("an event is not as documented")]
    Event(#[from] serde_json::Error),
}

/// A stream of server-sent events.
#[derive(Debug)]
pub(crate) struct Events(Lines<BufReader<TcpStream>>);

/// Asks for a stream of events.
pub(crate) async fn watch(path: &str) -> Result<Events, CallError> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    Ok(Events(timeout(PATIENCE, call(&request)).await??))
}

/// Posts a body of JSON.
pub(crate) async fn post(path: &str, body: &str) -> Result<(), CallError> {
    let request = format!(
        "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    timeout(PATIENCE, call(&request)).await?.map(drop)
}

/// Sends a request, and returns what follows the line with the status.
async fn call(request: &str) -> Result<Lines<BufReader<TcpStream>>, CallError> {
    let mut stream = TcpStream::connect(ADDRESS).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut lines = BufReader::new(stream).lines();
    let status = lines.next_line().await?.unwrap_or_default();
    let code = status.split_whitespace().nth(1).unwrap_or_default();
    if code.starts_with('2') { Ok(lines) } else { Err(CallError::Status(status)) }
}

// === impl Events ===

impl Events {
    /// The data of the next event. `None`: the stream has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, CallError> {
        while let Some(line) = self.0.next_line().await? {
            if let Some(data) = line.strip_prefix("data:") {
                return Ok(Some(data.to_owned()));
            }
        }
        Ok(None)
    }
}
