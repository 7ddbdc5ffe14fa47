//! For comparison: a map that one writer proposes, every member acknowledges, and the writer then commits.
//!
//! It is the usual way without a fence at the store: a member that loses shards stops them before it acknowledges, a
//! member that gains shards serves them after the commit. Every member has to answer, also one that the change does
//! not touch. Not for use: there is one writer that never fails, and a member that does not answer stops everything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::keys;
use cairn_kit::clock;
use cairn_store::etcd::Etcd;
use cairn_store::kv::prefix_end;
use cairn_store::{Batch, Change, Delta, Error, Follow, Kv, Op, Span, Txn};
use futures::StreamExt as _;
use futures::channel::mpsc::{self, UnboundedReceiver};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::group::{GroupError, Site};
use super::journal::Journal;
use super::metered::{Metered, Traffic};

/// Progress is not needed, and asked for this rarely.
const PROGRESS: Duration = Duration::from_mins(1);

/// The owner of each shard.
pub type Map = Vec<usize>;

/// What a member does with the maps that it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Follower {
    me: usize,
    proposed: Map,
    /// What it serves.
    pub serving: BTreeSet<u32>,
}

/// The writer, and the members.
#[derive(Debug)]
pub struct Acks {
    kv: Arc<Etcd>,
    received: UnboundedReceiver<Delta>,
    members: Vec<watch::Receiver<u64>>,
    tasks: Vec<JoinHandle<()>>,
    version: u64,
    /// What the members' watches have brought.
    pub traffic: Arc<Traffic>,
    /// Who served what.
    pub journal: Journal,
}

// === impl Follower ===

impl Follower {
    /// The member with this number.
    pub fn new(me: usize) -> Self {
        Self { me, ..Self::default() }
    }

    /// A map is proposed: stops what it does not have any more. Acknowledge it after that.
    pub fn propose(&mut self, map: Map) {
        self.proposed = map;
        let own = self.own();
        self.serving.retain(|shard| own.contains(shard));
    }

    /// The proposed map is in force: serves what is its own.
    pub fn commit(&mut self) {
        self.serving = self.own();
    }

    fn own(&self) -> BTreeSet<u32> {
        let owners = (0..).zip(&self.proposed);
        owners.filter(|(_, owner)| **owner == self.me).map(|(shard, _)| shard).collect()
    }
}

// === impl Acks ===

impl Acks {
    /// Starts a writer and members, each with a connection of its own.
    pub async fn start(site: &Site, members: usize) -> Result<Self, GroupError> {
        let (traffic, journal) = (Arc::<Traffic>::default(), Journal::default());
        let connect = || async {
            let urls = site.urls();
            let etcd = Etcd::connect(&urls, None, Etcd::DEFAULT_REQUEST_TIMEOUT).await;
            Ok::<_, GroupError>(Arc::new(etcd.map_err(GroupError::Store)?))
        };
        let kv = connect().await?;
        let from = revision(&*kv).await.map_err(GroupError::Store)? + 1;
        let (sender, acks) = mpsc::unbounded();
        let (following, all) = (Arc::clone(&kv), below("ack/", from));
        let mut tasks = vec![tokio::spawn(async move {
            following.follow(all, sender).await;
        })];
        let mut states = Vec::new();
        for me in 0..members {
            let kv = Metered::new(connect().await?, Arc::clone(&traffic));
            let (sender, state) = watch::channel(0);
            tasks.push(tokio::spawn(live(kv, Follower::new(me), journal.clone(), from, sender)));
            states.push(state);
        }
        Ok(Self { kv, received: acks, members: states, tasks, version: 0, traffic, journal })
    }

    /// Brings a map into force, and waits until every member has applied it.
    pub async fn change(&mut self, map: &Map) -> Result<(), GroupError> {
        self.version += 1;
        let value = serde_json::json!({ "version": self.version, "owners": map });
        put(&*self.kv, "map/proposal", value.to_string()).await?;
        let mut missing: BTreeSet<String> = (0..self.members.len()).map(ack_key).collect();
        while !missing.is_empty() {
            let Some(delta) = self.received.next().await else { break };
            for change in delta.changes {
                if let Change::Put(found) = change
                    && found.value == self.version.to_string().as_bytes()
                {
                    missing.remove(&found.key);
                }
            }
        }
        put(&*self.kv, "map/commit", self.version.to_string()).await?;
        for member in &mut self.members {
            // It ends only with its task.
            let _ = member.wait_for(|version| *version == self.version).await;
        }
        Ok(())
    }
}

impl Drop for Acks {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// One member, with its app.
async fn live(
    kv: Metered,
    mut state: Follower,
    journal: Journal,
    from: i64,
    applied: watch::Sender<u64>,
) {
    let (sender, mut deltas) = mpsc::unbounded();
    let following = Arc::new(kv.clone());
    let task = tokio::spawn(async move { following.follow(below("map/", from), sender).await });
    let _ended = AbortOnDrop(task);
    let mut open = std::collections::BTreeMap::new();
    let mut version = 0;
    while let Some(delta) = deltas.next().await {
        for change in delta.changes {
            let Change::Put(found) = change else { continue };
            if found.key.ends_with("proposal") {
                let Some((proposed, map)) = parse(&found.value) else { continue };
                version = proposed;
                state.propose(map);
            } else {
                state.commit();
            }
            let now = clock::now().boot;
            open.retain(|shard, place| {
                let serves = state.serving.contains(shard);
                if !serves {
                    journal.end(*place, now);
                }
                serves
            });
            for shard in &state.serving {
                let fence = found.mod_revision;
                open.entry(*shard)
                    .or_insert_with(|| journal.begin(Ownable::Shard(*shard), state.me, fence, now));
            }
            if found.key.ends_with("proposal") {
                // A lost acknowledgement would stop the run, which then says that it is silent.
                let ack = Op::put(ack_key(state.me), version.to_string(), 0);
                let _ = kv.txn(Txn { then: vec![ack], ..Txn::default() }).await;
            } else {
                applied.send_replace(version);
            }
        }
    }
}

/// Ends a task with its owner.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn parse(value: &[u8]) -> Option<(u64, Map)> {
    let value: Value = serde_json::from_slice(value).ok()?;
    let owners = value.get("owners")?.as_array()?;
    let owners = owners.iter().map(|owner| usize::try_from(owner.as_u64()?).ok());
    Some((value.get("version")?.as_u64()?, owners.collect::<Option<Map>>()?))
}

fn root() -> String {
    format!("{}bench/acks/", keys::ROOT)
}

fn ack_key(member: usize) -> String {
    format!("{}ack/{member}", root())
}

fn below(folder: &str, from: i64) -> Follow {
    let prefix = format!("{}{folder}", root());
    let to = prefix_end(&prefix);
    Follow { spans: vec![Span::range(prefix, to)], from, progress: PROGRESS, elsewhere: false }
}

async fn put(kv: &impl Kv, key: &str, value: String) -> Result<(), GroupError> {
    let put = Op::put(format!("{}{key}", root()), value, 0);
    let done = kv.txn(Txn { then: vec![put], ..Txn::default() }).await;
    done.map(drop).map_err(GroupError::Store)
}

async fn revision(kv: &impl Kv) -> Result<i64, Error> {
    let mut batch = Batch::default();
    batch.get(keys::EPOCH);
    Ok(kv.read(batch).await?.revision())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served_once(followers: &[Follower]) {
        let mut all: Vec<u32> = followers.iter().flat_map(|one| one.serving.clone()).collect();
        let before = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), before, "{followers:?}");
    }

    #[test]
    fn no_shard_is_served_twice_in_whatever_order_members_stop_and_begin() {
        let mut followers: Vec<Follower> = (0..3).map(Follower::new).collect();
        let maps: [Map; 3] = [vec![0, 0, 1, 2], vec![1, 0, 1, 0], vec![2, 2, 2, 1]];
        for (step, map) in maps.iter().enumerate() {
            for number in 0..3 {
                followers[(number + step) % 3].propose(map.clone());
                served_once(&followers);
            }
            for number in 0..3 {
                followers[(2 * number + step) % 3].commit();
                served_once(&followers);
            }
            let served: usize = followers.iter().map(|one| one.serving.len()).sum();
            assert_eq!(served, map.len());
        }
    }

    #[test]
    fn a_member_goes_on_with_what_stays_its_own_while_a_map_is_proposed() {
        let mut follower = Follower::new(1);
        follower.propose(vec![1, 1, 2]);
        assert!(follower.serving.is_empty());
        follower.commit();
        follower.propose(vec![1, 2, 1]);
        assert_eq!(follower.serving, BTreeSet::from([0]));
        follower.commit();
        assert_eq!(follower.serving, BTreeSet::from([0, 2]));
    }

    #[test]
    fn a_proposal_is_read_back() {
        let text = br#"{"version":3,"owners":[0,2]}"#;
        assert_eq!(parse(text), Some((3, vec![0, 2])));
        assert_eq!(parse(br#"{"version":3,"owners":[-1]}"#), None);
    }
}
