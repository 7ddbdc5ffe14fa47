//! The decision: from the record, the volume and the answer of another member to the next step.
//!
//! Pure. One step at a time: after each step the caller observes again, so that every step depends on recorded state
//! only.
//!
//! Rules:
//! 1. Data on the volume is used only when record and volume name the same cluster and member.
//! 2. A member without data joins a cluster that answers; the former member of its name is removed first.
//! 3. A new cluster is formed only without a record, or if every recorded member has lost its data.

use std::collections::BTreeMap;

use cairn_store::etcd::{MemberEntry, MemberList};

use super::identity::first_ids;
use super::reason::Reason;
use super::record::{HexId, Record, RecordedMember};
use super::volume::StoredIds;

/// This member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// The pod's name, which is the member's.
    pub name: String,
    /// The number at the end of the name.
    pub ordinal: u32,
    /// Where other members reach it.
    pub peer_url: String,
}

/// The observations of one round.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// This member.
    pub me: &'a Me,
    /// How many members the StatefulSet is to run.
    pub replicas: u32,
    /// The record of the cluster.
    pub record: Option<&'a Record>,
    /// The IDs on the volume; `None` if it has no data.
    pub volume: Option<StoredIds>,
    /// The first member that answered.
    pub peer: Option<&'a PeerAnswer>,
    /// A token for a cluster that is formed now.
    pub fresh_token: &'a str,
}

/// Another member's view of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAnswer {
    /// The endpoint of the member.
    pub endpoint: String,
    /// Its list of members.
    pub list: MemberList,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Change the record, then observe again.
    Write(Record),
    /// Start with the data on the volume.
    Resume,
    /// Form a cluster of one, with this token and at this peer URL.
    Form {
        /// `initial-cluster-token`.
        token: String,
        /// The recorded peer URL, which goes into the cluster's id.
        peer_url: String,
    },
    /// Remove this member from the cluster: its data is lost. Then observe again.
    Remove(u64),
    /// Join as a learner.
    Join,
    /// Observe again later.
    Wait(Reason),
}

/// The next step of a member.
pub fn decide(view: &View<'_>) -> Step {
    match (view.volume, view.record) {
        (Some(stored), None) => Step::Write(taken_over(view, stored)),
        (Some(stored), Some(record)) => with_data(view, stored, record),
        (None, None) => without_record(view),
        (None, Some(record)) => without_data(view, record),
    }
}

fn with_data(view: &View<'_>, stored: StoredIds, record: &Record) -> Step {
    let name = &view.me.name;
    if stored.cluster != record.cluster_id {
        let recorded = record.cluster_id;
        return Step::Wait(Reason::ForeignVolume { found: stored.cluster, recorded });
    }
    match record.members.get(name) {
        Some(mine) if mine.id != stored.member => {
            return Step::Wait(Reason::FormerMember { found: stored.member });
        }
        None if record.complete => {
            return Step::Wait(Reason::FormerMember { found: stored.member });
        }
        Some(mine) if !mine.lost => {}
        _ => return Step::Write(with_member(record, view.me, stored.member)),
    }
    no_majority(view, record).map_or(Step::Resume, Step::Wait)
}

fn without_record(view: &View<'_>) -> Step {
    if let Some(peer) = view.peer {
        return Step::Write(of_running_cluster(view, peer));
    }
    if view.me.ordinal != 0 {
        return Step::Wait(Reason::NoCluster);
    }
    Step::Write(of_one(view.me, &view.me.peer_url, view.fresh_token))
}

fn without_data(view: &View<'_>, record: &Record) -> Step {
    let me = view.me;
    if let Some(peer) = view.peer {
        return join(me, record, peer);
    }
    match record.members.get(&me.name) {
        Some(mine) if record.complete && record.members.len() == 1 => {
            return form(me, record, mine);
        }
        Some(mine) if !mine.lost => {
            let mut changed = record.clone();
            let lost = RecordedMember { lost: true, ..mine.clone() };
            changed.members.insert(me.name.clone(), lost);
            return Step::Write(changed);
        }
        _ => {}
    }
    if let Some(reason) = no_majority(view, record) {
        return Step::Wait(reason);
    }
    if !record.complete || record.members.values().any(|member| !member.lost) {
        let missing = record.names(|member| !member.lost);
        return Step::Wait(Reason::NoPeer { missing, lost: record.names(|member| member.lost) });
    }
    match record.members.first_key_value() {
        Some((first, mine)) if *first == me.name => {
            Step::Write(of_one(me, &mine.peer_url, &record.token))
        }
        Some((first, _)) => Step::Wait(Reason::Reforming { first: first.clone() }),
        None => Step::Wait(Reason::NoCluster),
    }
}

/// Forms the cluster of the record, whose only member this is. If its IDs will change, they are recorded first: the
/// token of an adopted cluster is unknown.
fn form(me: &Me, record: &Record, mine: &RecordedMember) -> Step {
    let expected = of_one(me, &mine.peer_url, &record.token);
    if expected != *record {
        return Step::Write(expected);
    }
    Step::Form { token: record.token.clone(), peer_url: mine.peer_url.clone() }
}

fn join(me: &Me, record: &Record, peer: &PeerAnswer) -> Step {
    if peer.list.cluster != record.cluster_id.0 {
        return Step::Wait(Reason::ForeignPeer {
            endpoint: peer.endpoint.clone(),
            found: HexId(peer.list.cluster),
            recorded: record.cluster_id,
        });
    }
    let members = &peer.list.members;
    if let Some(former) = members.iter().find(|member| is_me(me, member)) {
        return Step::Remove(former.id);
    }
    match members.iter().find(|member| member.learner) {
        Some(learner) => Step::Wait(Reason::OtherLearner { name: learner.name.clone() }),
        None => Step::Join,
    }
}

fn no_majority(view: &View<'_>, record: &Record) -> Option<Reason> {
    let running = usize::try_from(view.replicas).unwrap_or(usize::MAX);
    (running < record.majority()).then(|| Reason::NoMajority {
        members: record.members.len(),
        names: record.names(|_| true),
        replicas: view.replicas,
    })
}

/// The record with this member added under this ID.
pub fn with_member(record: &Record, me: &Me, id: HexId) -> Record {
    let mut changed = record.clone();
    let member = RecordedMember { id, peer_url: me.peer_url.clone(), lost: false };
    changed.members.insert(me.name.clone(), member);
    changed
}

fn of_one(me: &Me, peer_url: &str, token: &str) -> Record {
    let ids = first_ids(peer_url, token);
    let member = RecordedMember { id: ids.member, peer_url: peer_url.to_owned(), lost: false };
    Record {
        token: token.to_owned(),
        cluster_id: ids.cluster,
        members: BTreeMap::from([(me.name.clone(), member)]),
        complete: true,
    }
}

/// The record of a cluster that was formed before there was a record, from its data on the volume.
fn taken_over(view: &View<'_>, stored: StoredIds) -> Record {
    let empty = Record {
        token: view.fresh_token.to_owned(),
        cluster_id: stored.cluster,
        members: BTreeMap::new(),
        complete: false,
    };
    with_member(&empty, view.me, stored.member)
}

/// The record of a running cluster that was formed before there was a record.
fn of_running_cluster(view: &View<'_>, peer: &PeerAnswer) -> Record {
    Record {
        token: view.fresh_token.to_owned(),
        cluster_id: HexId(peer.list.cluster),
        members: recorded(&peer.list),
        complete: true,
    }
}

/// The members of a list, in the form of the record.
pub fn recorded(list: &MemberList) -> BTreeMap<String, RecordedMember> {
    let member = |entry: &MemberEntry| RecordedMember {
        id: HexId(entry.id),
        peer_url: entry.peer_urls.first().cloned().unwrap_or_default(),
        lost: false,
    };
    list.members.iter().map(|entry| (entry.name.clone(), member(entry))).collect()
}

fn is_me(me: &Me, member: &MemberEntry) -> bool {
    member.name == me.name || member.peer_urls.contains(&me.peer_url)
}

#[cfg(test)]
mod tests;
