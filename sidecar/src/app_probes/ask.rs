//! Runs one probe of an app, as the kubelet does: on a new connection, without retries, within the probe's timeout.

use std::time::Duration;

use cairn_core::app_probe::{AppProbe, ProbeAction, TcpSocket};
use tokio::net::TcpStream;
use tokio::time::timeout;

mod grpc;
mod http;
mod tls;

/// Apps recognise probes by the prefix `kube-probe/` in their logs and metrics.
const USER_AGENT: &str = "kube-probe/cairn";

/// Runs a probe; `host` is for probes that name none. The error is a short reason.
pub async fn ask(probe: &AppProbe, host: &str) -> Result<(), String> {
    let limit = Duration::from_secs(probe.timeout.into());
    let answer = async {
        match &probe.action {
            ProbeAction::Http(get) => http::ask(get, get.host.as_deref().unwrap_or(host)).await,
            ProbeAction::Tcp(socket) => connects(socket, host).await,
            ProbeAction::Grpc(check) => grpc::ask(check, host).await,
        }
    };
    match timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {}s", probe.timeout)),
    }
}

async fn connects(socket: &TcpSocket, host: &str) -> Result<(), String> {
    connect(socket.host.as_deref().unwrap_or(host), socket.port).await.map(drop)
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((host, port))
        .await
        .map_err(|error| format!("cannot connect to {}: {error}", authority(host, port)))
}

/// `host:port`, with brackets round an IPv6 address.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
