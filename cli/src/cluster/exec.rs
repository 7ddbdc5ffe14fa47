//! Runs a program in a pod, and returns what it prints.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Cluster, ClusterError, request};

/// The most that is read of each stream, in bytes.
const LONGEST: u64 = 1 << 20;

/// The standard output of a program that ends with code 0.
pub async fn output(
    cluster: &Cluster,
    pod: &str,
    container: &str,
    command: &[&str],
) -> Result<Vec<u8>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let params = AttachParams::default().container(container).stdin(false).stderr(true);
    let program = command.join(" ");
    let started = pods.exec(pod, command.iter().copied(), &params).await;
    let what = format!("run {program} in pod {}/{pod}", cluster.namespace);
    let mut process = started.map_err(request(what))?;
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let ended = process.take_status();
    let (output, complaint) = tokio::join!(all(stdout), all(stderr));
    let status = match ended {
        Some(ended) => ended.await,
        None => None,
    };
    if status.as_ref().and_then(|status| status.status.as_deref()) == Some("Success") {
        return Ok(output);
    }
    let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
    let unknown =
        || status.and_then(|status| status.message).unwrap_or_else(|| "no answer".to_owned());
    let message = if complaint.is_empty() { unknown() } else { complaint };
    Err(ClusterError::Program { program, pod: pod.to_owned(), message })
}

/// A connection that breaks ends the stream; the missing status tells it.
async fn all(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut read = Vec::new();
    if let Some(stream) = stream {
        let _ = stream.take(LONGEST).read_to_end(&mut read).await;
    }
    read
}
