//! Who is at the other end of a connection: what a limit per peer counts, and what routes find in the extensions of
//! each request.

use std::net::{IpAddr, SocketAddr};

use tokio::net::unix::UCred;

/// One peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// An address. All processes behind it share one limit.
    Address(IpAddr),
    /// A process of this machine, by its id in our pid namespace. Processes of other pid namespaces,
    /// such as those of other containers, all have the id 0.
    Process(i32),
}

// === impl Peer ===

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        // A listener on [::] sees IPv4 peers as mapped addresses.
        Self::Address(address.ip().to_canonical())
    }
}

impl From<UCred> for Peer {
    fn from(credentials: UCred) -> Self {
        Self::Process(credentials.pid().unwrap_or(0))
    }
}
