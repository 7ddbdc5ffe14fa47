//! How much clients may ask for, and how many file descriptors that may take.

use std::time::Duration;

/// Below hyper's own minimum it panics.
const MIN_HEADER_BYTES: usize = 8192;

/// File descriptors that listeners must leave free: the runtime, etcd and API server connections,
/// and the files that are open at the same time. About 20 are in use.
const RESERVED_DESCRIPTORS: usize = 64;

/// The limits of one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. A new one is accepted all the same: another is evicted for it.
    pub connections: usize,
    /// Connections at a time from one peer. A new one evicts another of the same peer.
    pub per_peer: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the headers of a request: from the accept or the handshake, later from its first byte.
    pub header: Duration,
    /// For the body of a request, from the end of its headers.
    pub body: Duration,
    /// From a complete request until its response is written. Not for declared streams.
    pub answer: Duration,
    /// For a client that does not read what a declared stream sends.
    pub stall: Duration,
    /// For the next request on a connection that is kept alive.
    pub idle: Duration,
    /// For requests in flight once the shutdown has begun.
    pub drain: Duration,
    /// Bytes of headers of one request, and of the read buffer of each connection.
    pub header_bytes: usize,
    /// Bytes of request bodies that are received and not answered yet, of all connections.
    pub body_bytes: usize,
}

impl Limits {
    /// Limits for `connections` clients that send small requests without bodies.
    pub const fn small(connections: usize) -> Self {
        Self {
            connections,
            per_peer: share_of_peer(connections),
            // Two round trips take milliseconds; a port scanner takes for ever.
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(5),
            body: Duration::from_secs(5),
            // The default timeout of a scrape.
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            // Pools give idle connections up after 90 s (Go, reqwest), 2 min (.NET 5) or 5 min (OkHttp).
            // A server that closes first resets a request that is already on its way. Idle
            // connections are evicted as soon as their place is needed, so a long time costs little.
            idle: Duration::from_secs(6 * 60),
            drain: Duration::from_secs(10),
            header_bytes: MIN_HEADER_BYTES,
            body_bytes: 64 * 1024,
        }
    }

    /// Cuts the connections of all listeners of a process down to what `descriptors`, its
    /// `RLIMIT_NOFILE`, allows. At least one connection per listener stays.
    #[must_use]
    pub fn within<const N: usize>(listeners: [Self; N], descriptors: usize) -> [Self; N] {
        // Each listener holds its socket and, while it evicts, one connection too many.
        let available = descriptors.saturating_sub(RESERVED_DESCRIPTORS + 2 * N);
        let wanted: usize = listeners.iter().map(|limits| limits.connections).sum();
        if wanted <= available {
            return listeners;
        }
        listeners.map(|limits| {
            let connections = (limits.connections * available / wanted.max(1)).max(1);
            Self {
                connections,
                per_peer: limits.per_peer.min(share_of_peer(connections)),
                ..limits
            }
        })
    }
}

/// What one peer may take of all places: no peer fills a listener alone. Most of it, because a probe may
/// share the address of whoever floods the listener: the more places, the longer a new connection has
/// to send its request before as many others have evicted it.
const fn share_of_peer(connections: usize) -> usize {
    connections - connections / 4
}

/// How many file descriptors this process may have: the soft `RLIMIT_NOFILE`.
pub fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_keep_their_limits_while_descriptors_suffice() {
        let wanted = [Limits::small(64), Limits::small(512)];
        assert_eq!(Limits::within(wanted, 1024), wanted);
    }

    #[test]
    fn listeners_share_what_descriptors_there_are() {
        for descriptors in [0, 1, 68, 128, 256, 512] {
            let cut = Limits::within([Limits::small(64), Limits::small(512)], descriptors);
            let sum: usize = cut.iter().map(|limits| limits.connections).sum();
            assert!(sum <= descriptors.saturating_sub(RESERVED_DESCRIPTORS).max(2), "{sum}");
            assert!(cut.iter().all(|limits| limits.connections >= limits.per_peer));
            assert!(cut.iter().all(|limits| limits.per_peer > 0));
        }
    }
}
