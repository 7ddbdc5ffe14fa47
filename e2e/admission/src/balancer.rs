//! What a Service does for its endpoints: passes each connection on to the next one, also to one that has just died.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running one. Its connections end when this is dropped.
#[derive(Debug)]
pub struct Balancer {
    accepting: JoinHandle<()>,
}

// === impl Balancer ===

impl Balancer {
    /// Passes connections on in turn, and says at which address.
    pub async fn start(endpoints: &[SocketAddr]) -> std::io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let endpoints: Arc<[SocketAddr]> = endpoints.into();
        let accepting = tokio::spawn(async move {
            let mut turns = endpoints.iter().copied().cycle();
            while let (Ok((mut client, _)), Some(endpoint)) =
                (listener.accept().await, turns.next())
            {
                tokio::spawn(async move {
                    // A client of a dead endpoint sees its connection end.
                    if let Ok(mut server) = TcpStream::connect(endpoint).await {
                        // A Service only rewrites packets, and so holds none back.
                        let _ = (client.set_nodelay(true), server.set_nodelay(true));
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Ok((Self { accepting }, address))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
