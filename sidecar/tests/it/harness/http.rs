//! One HTTP/1.1 request on a stream.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::LONGEST_WAIT;

/// Sends a request. Returns status and body.
pub(crate) async fn get(stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> (u16, String) {
    request(stream, "GET", path).await
}

pub(crate) async fn request(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
) -> (u16, String) {
    let (head, body) = exchange(stream, method, path).await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body)
}

/// Status and body of a GET with a header of its own.
pub(crate) async fn request_with(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
    header: (&str, &str),
) -> (u16, String) {
    let header = format!("{}: {}\r\n", header.0, header.1);
    let (head, body) = exchange_with(stream, "GET", path, &header).await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body)
}

/// Sends a request. Returns head and body of the response.
pub(crate) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
) -> (String, String) {
    exchange_with(stream, method, path, "").await
}

/// Status and body of a request with headers of its own, each with its line end, and a body.
pub(crate) async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    (method, path): (&str, &str),
    headers: &str,
    body: &str,
) -> (u16, String) {
    let headers = format!("{headers}Content-Length: {}\r\n", body.len());
    let (head, body) = exchange_whole(stream, method, path, &headers, body).await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body)
}

async fn exchange_with(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &str,
) -> (String, String) {
    exchange_whole(stream, method, path, headers, "").await
}

async fn exchange_whole(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (String, String) {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONGEST_WAIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}
