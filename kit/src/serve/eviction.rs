//! Which connection has to make room for another. Pure.
//!
//! A connection without a complete request goes before one that is being answered. Among them the
//! peer with the most loses one, and of its connections the one whose last progress is the longest
//! ago. So a peer that takes many places loses its own, and a new connection has as much time to
//! send its request as it takes others to open all places anew.

use std::collections::HashMap;

use tokio::time::Instant;

use super::peer::Peer;
use super::phase::Phase;

/// One connection, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<K> {
    pub(super) key: K,
    pub(super) peer: Peer,
    pub(super) phase: Phase,
    /// When the phase began.
    pub(super) since: Instant,
    /// Bytes of its unanswered request body.
    pub(super) bytes: usize,
}

/// The connection to evict so that a place gets free.
pub(super) fn for_place<K: Copy + Ord>(connections: &[Candidate<K>]) -> Option<K> {
    let waiting = connections.iter().any(|one| one.phase.waits_for_peer());
    let evictable = || connections.iter().filter(|one| one.phase.waits_for_peer() == waiting);
    let peer = greediest(evictable(), |_| 1)?;
    evictable()
        .filter(|one| one.peer == peer)
        // Keys grow in the order of accept: they decide between equal instants.
        .min_by_key(|one| (one.since, one.key))
        .map(|one| one.key)
}

/// The connection to evict so that bytes of the body budget get free: the largest unfinished body
/// of the peer that holds the most bytes in unfinished bodies.
pub(super) fn for_bytes<K: Copy + Ord>(connections: &[Candidate<K>]) -> Option<K> {
    let unfinished = || connections.iter().filter(|one| one.phase == Phase::Body && one.bytes > 0);
    let peer = greediest(unfinished(), |one| one.bytes)?;
    unfinished()
        .filter(|one| one.peer == peer)
        .max_by_key(|one| (one.bytes, std::cmp::Reverse(one.since), one.key))
        .map(|one| one.key)
}

/// The peer with the most; among equals, the one with the idlest connection.
fn greediest<'a, K: 'a>(
    connections: impl Iterator<Item = &'a Candidate<K>>,
    weight: impl Fn(&Candidate<K>) -> usize,
) -> Option<Peer> {
    let mut peers: HashMap<Peer, (usize, Instant)> = HashMap::new();
    for one in connections {
        let (total, oldest) = peers.entry(one.peer).or_insert((0, one.since));
        *total += weight(one);
        *oldest = (*oldest).min(one.since);
    }
    peers
        .into_iter()
        .max_by_key(|&(peer, (total, oldest))| (total, std::cmp::Reverse(oldest), peer))
        .map(|(peer, _)| peer)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)))
    }

    /// `(peer, phase, seconds since the start, bytes)`; the key is the index.
    fn connections(list: &[(u8, Phase, u64, usize)]) -> Vec<Candidate<usize>> {
        let start = Instant::now();
        let one = |(key, &(last, phase, at, bytes)): (usize, &(u8, Phase, u64, usize))| Candidate {
            key,
            peer: peer(last),
            phase,
            since: start + Duration::from_secs(at),
            bytes,
        };
        list.iter().enumerate().map(one).collect()
    }

    #[test]
    fn the_idlest_connection_of_the_greediest_peer_is_evicted() {
        use Phase::{Handshake, Header, Idle};
        let list = [
            (1, Idle, 0, 0),
            (2, Header, 3, 0),
            (2, Handshake, 2, 0),
            (2, Idle, 4, 0),
            (3, Idle, 1, 0),
        ];
        assert_eq!(for_place(&connections(&list)), Some(2));
    }

    #[test]
    fn among_equally_greedy_peers_the_idlest_connection_is_evicted() {
        use Phase::{Header, Idle};
        let list = [(1, Header, 5, 0), (2, Idle, 3, 0), (3, Header, 4, 0)];
        assert_eq!(for_place(&connections(&list)), Some(1));
    }

    #[test]
    fn a_connection_that_is_being_answered_is_evicted_only_when_all_are() {
        use Phase::{Answer, Idle, Stream};
        let list = [(1, Answer, 0, 0), (1, Stream, 0, 0), (1, Answer, 1, 0), (2, Idle, 9, 0)];
        assert_eq!(for_place(&connections(&list)), Some(3));
        assert_eq!(for_place(&connections(&list[..3])), Some(0));
        assert_eq!(for_place::<usize>(&[]), None);
    }

    #[test]
    fn bytes_are_taken_from_the_largest_unfinished_body_of_the_peer_with_the_most() {
        use Phase::{Answer, Body};
        let list = [(1, Body, 0, 50), (2, Body, 0, 30), (2, Body, 0, 31), (3, Answer, 0, 900)];
        assert_eq!(for_bytes(&connections(&list)), Some(2));
        assert_eq!(for_bytes(&connections(&list[3..])), None);
    }
}
