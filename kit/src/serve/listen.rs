//! Listeners: what accepts connections and tells who their peer is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use super::peer::Peer;

/// Connections that wait for their accept. When there are more, the kernel drops them, and the client
/// tries again after a second: too late for a probe. A full backlog is worked off in 0.1 s to 0.2 s.
/// This is also the most that Linux allows by default (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// Something that connections come from.
pub trait Listen: Send + Sync + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection. Must be cancel safe.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;
}

/// An address cannot be bound.
#[derive(Debug, Error)]
#[error("cannot listen on {address}; free it or choose another with {flag}")]
pub struct BindError {
    /// The flag that gave the address.
    flag: &'static str,
    address: SocketAddr,
    source: io::Error,
}

impl Listen for TcpListener {
    type Io = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = Self::accept(self).await?;
        // Responses are small and complete: waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        Ok((stream, address.into()))
    }
}

impl Listen for UnixListener {
    type Io = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = Self::accept(self).await?;
        let peer = stream.peer_cred()?.into();
        Ok((stream, peer))
    }
}

/// Binds the TCP address of a flag; `[::]` falls back to `0.0.0.0` on machines without IPv6.
pub fn bind(flag: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    let bound = match listen(address) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() => {
            let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
            listen(v4).map_err(|_| error)
        }
        bound => bound,
    };
    bound.map_err(|source| BindError { flag, address, source })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As std does: connections of an earlier process that linger do not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether an accept failed because of that one connection, so that the next may succeed at once.
pub(super) fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
