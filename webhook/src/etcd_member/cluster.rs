//! The members of the cluster by ordinal, and the first of them that answers.

use std::collections::BTreeSet;
use std::time::Duration;

use cairn_store::Error;
use cairn_store::etcd::{MemberEntry, Membership, TlsPem};
use futures::future::select_ok;

use super::decide::{Me, PeerAnswer};
use super::record::Record;

/// The timeout of one request to one member. A change of the membership waits for Raft; after a timeout the next round
/// decides anew.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// The largest cluster that etcd recommends.
const MOST_MEMBERS: u32 = 7;

/// Names and addresses of the members.
#[derive(Clone, Debug)]
pub struct Topology {
    /// This member.
    pub me: Me,
    stem: String,
    peer_url: String,
    client_url: String,
}

/// A member that answered, and the connection to it.
#[derive(Debug)]
pub struct Peer {
    /// Its answer.
    pub answer: PeerAnswer,
    /// The connection.
    pub membership: Membership,
}

// === impl Topology ===

impl Topology {
    /// From the pod's name and two templates; `None` when the name does not end in a number.
    pub fn new(pod: &str, peer_url: &str, client_url: &str) -> Option<Self> {
        let (stem, _) = pod.rsplit_once('-')?;
        let ordinal = ordinal(pod)?;
        let me = Me { name: pod.to_owned(), ordinal, peer_url: fill(peer_url, pod, ordinal) };
        let (peer_url, client_url) = (peer_url.to_owned(), client_url.to_owned());
        Some(Self { me, stem: stem.to_owned(), peer_url, client_url })
    }

    /// The StatefulSet, which has the members' names without their numbers.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// Where clients reach a member.
    pub fn client_url(&self, ordinal: u32) -> String {
        fill(&self.client_url, &self.name(ordinal), ordinal)
    }

    /// Where the other members reach a member.
    pub fn peer_url(&self, ordinal: u32) -> String {
        fill(&self.peer_url, &self.name(ordinal), ordinal)
    }

    /// The hosts in this member's own URLs.
    pub fn hosts(&self) -> Vec<String> {
        let urls = [self.client_url(self.me.ordinal), self.me.peer_url.clone()];
        urls.iter().map(|url| host(url).to_owned()).collect()
    }

    fn name(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.stem)
    }

    /// The ordinals of the other members: those of the StatefulSet and those of the record.
    pub fn others(&self, replicas: u32, record: Option<&Record>) -> BTreeSet<u32> {
        let recorded = record.iter().flat_map(|record| record.members.keys());
        let mut others: BTreeSet<u32> = recorded.filter_map(|name| ordinal(name)).collect();
        others.extend(0..replicas);
        others.remove(&self.me.ordinal);
        others
    }

    /// Sets the names of members that have not started yet, by their peer URLs: etcd does not know these names.
    pub fn name_all(&self, members: &mut [MemberEntry]) {
        for member in members.iter_mut().filter(|member| member.name.is_empty()) {
            let here = |ordinal: &u32| member.peer_urls.contains(&self.peer_url(*ordinal));
            if let Some(ordinal) = (0..MOST_MEMBERS).find(here) {
                member.name = self.name(ordinal);
            }
        }
    }

    /// The first of these members that answers. Learners do not answer.
    pub async fn ask(
        &self,
        ordinals: impl IntoIterator<Item = u32>,
        access: &TlsPem,
    ) -> Option<Peer> {
        let ask = |ordinal| Box::pin(ask(self.client_url(ordinal), access));
        let asking: Vec<_> = ordinals.into_iter().map(ask).collect();
        if asking.is_empty() {
            return None;
        }
        match select_ok(asking).await {
            Ok((mut peer, _)) => {
                self.name_all(&mut peer.answer.list.members);
                Some(peer)
            }
            Err(error) => {
                tracing::debug!("no member answers: {}", error.report());
                None
            }
        }
    }
}

async fn ask(endpoint: String, access: &TlsPem) -> Result<Peer, Error> {
    let membership = Membership::connect_with(&endpoint, Some(access), REQUEST_TIMEOUT).await?;
    let list = membership.list().await?;
    Ok(Peer { answer: PeerAnswer { endpoint, list }, membership })
}

fn fill(template: &str, name: &str, ordinal: u32) -> String {
    template.replace("{name}", name).replace("{ordinal}", &ordinal.to_string())
}

/// The host of a URL, without the brackets of an IPv6 address.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn ordinal(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_the_number_of_their_pod() {
        let peers = "https://{name}.peers.ns.svc:2380";
        let topology = Topology::new("cairn-etcd-1", peers, "https://127.0.0.{ordinal}:1").unwrap();
        assert_eq!(topology.stem(), "cairn-etcd");
        assert_eq!(topology.me.peer_url, "https://cairn-etcd-1.peers.ns.svc:2380");
        assert_eq!(topology.client_url(2), "https://127.0.0.2:1");
        assert_eq!(topology.hosts(), ["127.0.0.1", "cairn-etcd-1.peers.ns.svc"]);
        assert_eq!(host("https://[fd00::1]:2380"), "fd00::1");
        assert_eq!(topology.others(3, None), BTreeSet::from([0, 2]));
        assert!(Topology::new("etcd", peers, peers).is_none());
    }

    #[test]
    fn a_member_that_has_not_started_is_named_by_where_it_is() {
        let topology =
            Topology::new("e-0", "http://{name}.p:2380", "http://{name}.p:2379").unwrap();
        let entry = |name: &str, url: &str| MemberEntry {
            id: 1,
            name: name.to_owned(),
            peer_urls: vec![url.to_owned()],
            learner: true,
        };
        let mut members = [entry("", "http://e-2.p:2380"), entry("x", "http://e-1.p:2380")];
        topology.name_all(&mut members);
        assert_eq!(members.map(|member| member.name), ["e-2", "x"]);
    }
}
