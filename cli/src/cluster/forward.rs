//! Forwards a local port to a port of a pod, through the API server, for as long as a value lives.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::{Cluster, ClusterError};

/// A forwarded port.
#[derive(Debug)]
pub struct Forward {
    /// The local port.
    pub port: u16,
    task: JoinHandle<()>,
}

// === impl Forward ===

impl Forward {
    /// Forwards to a port of a pod of Cairn's namespace. Whether the pod answers shows when the port is used.
    pub async fn open(cluster: &Cluster, pod: &str, port: u16) -> Result<Self, ClusterError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(ClusterError::Port)?;
        let local = listener.local_addr().map_err(ClusterError::Port)?.port();
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let task = tokio::spawn(accept(listener, pods, pod.to_owned(), port));
        Ok(Self { port: local, task })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, pods: Api<Pod>, pod: String, port: u16) {
    let mut connections = JoinSet::new();
    while let Ok((local, _)) = listener.accept().await {
        connections.spawn(carry(local, pods.clone(), pod.clone(), port));
        while connections.try_join_next().is_some() {}
    }
}

/// A failure closes the connection, which its user notices and reports.
async fn carry(mut local: TcpStream, pods: Api<Pod>, pod: String, port: u16) {
    let Ok(mut forwarder) = pods.portforward(&pod, &[port]).await else { return };
    if let Some(mut remote) = forwarder.take_stream(port) {
        let _ = copy_bidirectional(&mut local, &mut remote).await;
    }
}
