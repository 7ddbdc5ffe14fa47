//! Mints IDs through a sidecar's socket, as an app of a `clock: Reserve` pool does.

use std::path::Path;
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::contract::path;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::journal::Minted;

/// How many IDs an app requests at once.
const COUNT: usize = 20;
/// How long to wait for an answer: a frozen sidecar does not answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
struct Answer {
    pool: String,
    name: String,
    fence: Fence,
    ids: Vec<String>,
}

/// Requests IDs. `None` when the sidecar does not answer or refuses.
pub async fn mint(dir: &Path, uid: &str, pool: &str) -> Option<Minted> {
    let text = timeout(REQUEST_TIMEOUT, ask(dir, pool)).await.ok()?.ok()?;
    let minted = parse(&text, uid)?;
    (minted.pool == pool).then_some(minted)
}

async fn ask(dir: &Path, pool: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(dir.join(path::SOCKET)).await?;
    let request = format!(
        "POST /v1/ids?count={COUNT}&pool={pool} HTTP/1.0\r\nHost: cairn\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn parse(text: &str, uid: &str) -> Option<Minted> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    if head.split(' ').nth(1) != Some("200") {
        return None;
    }
    let answer: Answer = serde_json::from_str(body).ok()?;
    Some(Minted {
        uid: uid.to_owned(),
        pool: answer.pool,
        name: answer.name,
        fence: answer.fence,
        ids: answer.ids.iter().map(|id| id.parse().ok()).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_parsed_from_a_200_answer_only() {
        let body =
            r#"{"pool":"nodes","name":"7","fence":{"epoch":1,"revision":9},"ids":["41","42"]}"#;
        let minted = parse(&format!("HTTP/1.0 200 OK\r\na: b\r\n\r\n{body}"), "u").unwrap();
        assert_eq!((minted.name.as_str(), minted.ids), ("7", vec![41, 42]));
        assert_eq!(parse(&format!("HTTP/1.0 404 Not Found\r\n\r\n{body}"), "u"), None);
    }
}
