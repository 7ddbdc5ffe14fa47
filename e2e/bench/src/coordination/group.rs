//! Groups of members on one real etcd, and what the measurements wait for.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_core::coordination::member::Role;
use cairn_core::coordination::path::GroupPath;
use cairn_core::coordination::session::{Config, EndReason};
use cairn_core::coordination::terms::Terms;
use cairn_core::coordination::validity::Validity;
use cairn_core::group::Group as GroupName;
use cairn_core::keys;
use cairn_core::time::BootInstant;
use cairn_kit::clock;
use cairn_store::etcd::Etcd;
use cairn_store::{Coordination, Error, Kv as _, Op, Store, Txn};
use thiserror::Error;
use tokio::time::sleep;

use super::journal::Journal;
use super::member::{Member, Seen, Setup};
use super::metered::{Metered, Traffic};
use super::probe::Probe;
use crate::hosts::Hosts;
use crate::members::{Members, MembersError, Sample};

/// The namespace of the groups.
const NAMESPACE: &str = "bench";

/// Anything that a group is waited for takes less, on a machine that is busy with other things, too.
const PATIENCE: Duration = Duration::from_mins(2);

/// Between two looks at all members.
const LOOK: Duration = Duration::from_millis(20);

/// Some time more than the takeover delay, for the answer from which it counts.
const OLDER: Duration = Duration::from_millis(500);

/// Why a group could not be measured.
#[derive(Debug, Error)]
pub enum GroupError {
    /// etcd did not start, or did not tell its counters.
    #[error("could not run etcd")]
    Etcd(#[from] MembersError),
    /// A request failed.
    #[error("could not prepare etcd")]
    Store(#[source] Error),
    /// A name is not valid.
    #[error("the name of the group is not valid")]
    Name,
    /// It did not happen.
    #[error("{what} has not happened within {PATIENCE:?}")]
    Silent {
        /// What was waited for.
        what: String,
    },
    /// There is no thread for members.
    #[error("could not start a thread for members")]
    Thread(#[source] io::Error),
    /// A member ended for another reason than it should.
    #[error("a member has ended: {0:?}")]
    Ended(Option<EndReason>),
}

/// An etcd with an epoch.
#[derive(Debug)]
pub struct Site {
    etcd: Members,
    root: Arc<Etcd>,
}

/// What the members of a group run.
#[derive(Clone, Debug)]
pub struct Template {
    /// What they coordinate.
    pub roles: BTreeSet<Role>,
    /// The number of shards.
    pub shards: u32,
    /// V.
    pub validity: Validity,
    /// The generation of the workload.
    pub generation: String,
    /// How many participants the first map waits for.
    pub min_participants: usize,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    urls: Vec<String>,
    path: GroupPath,
    /// What new members run.
    pub template: Template,
    /// The members that run.
    pub members: Vec<Member>,
    /// Who served what.
    pub journal: Journal,
    /// What its watches have brought.
    pub traffic: Arc<Traffic>,
    /// What members are watched for.
    pub probe: Arc<Probe>,
    created: usize,
    // After the members, whose tasks it runs.
    hosts: Hosts,
}

// === impl Site ===

impl Site {
    /// Starts an etcd of one member.
    pub async fn start() -> Result<Self, GroupError> {
        let etcd = Members::start(1).await?;
        let root = Etcd::connect(&etcd.urls(), None, Etcd::DEFAULT_REQUEST_TIMEOUT).await;
        let root = Arc::new(root.map_err(GroupError::Store)?);
        let epoch = clock::now().wall.0 / 1000;
        let put = Op::put(keys::EPOCH, epoch.to_string(), 0);
        let put = Txn { then: vec![put], ..Txn::default() };
        root.txn(put).await.map_err(GroupError::Store)?;
        Ok(Self { etcd, root })
    }

    /// A connection of the harness.
    pub const fn root(&self) -> &Arc<Etcd> {
        &self.root
    }

    /// etcd's URLs.
    pub fn urls(&self) -> Vec<String> {
        self.etcd.urls()
    }

    /// etcd's counters.
    pub async fn sample(&self) -> Result<Sample, GroupError> {
        Ok(self.etcd.sample().await?)
    }

    /// etcd's version.
    pub async fn version(&self) -> String {
        self.etcd.version().await
    }

    /// A group without members. They run on the caller's thread.
    pub fn group(&self, name: &str, template: Template) -> Result<Group, GroupError> {
        self.group_on(Hosts::here(), name, template)
    }

    /// A group without members, which run on these threads.
    pub fn group_on(
        &self,
        hosts: Hosts,
        name: &str,
        template: Template,
    ) -> Result<Group, GroupError> {
        let group: GroupName = name.parse().map_err(|_| GroupError::Name)?;
        Ok(Group {
            urls: self.urls(),
            path: GroupPath { namespace: NAMESPACE.to_owned(), group },
            template,
            members: Vec::new(),
            journal: Journal::default(),
            traffic: Arc::default(),
            probe: Arc::default(),
            created: 0,
            hosts,
        })
    }
}

// === impl Template ===

impl Template {
    /// Members that coordinate shards and a leader, with the shipped validity.
    pub fn new(shards: u32, min_participants: usize) -> Self {
        Self {
            roles: Role::ALL.into(),
            shards,
            validity: Validity::DEFAULT,
            generation: "a".to_owned(),
            min_participants,
        }
    }

    /// Members that coordinate only a leader.
    pub fn leader(validity: Validity) -> Self {
        let roles = BTreeSet::from([Role::Leader]);
        Self { roles, validity, ..Self::new(1, 1) }
    }

    /// The map, if they coordinate shards.
    pub fn map(&self) -> Option<ShardMap> {
        let map = ShardMap { shards: self.shards, hash: KeyHash::Xxh64 };
        self.roles.contains(&Role::Shards).then_some(map)
    }
}

// === impl Group ===

impl Group {
    /// The keys of the group.
    pub const fn path(&self) -> &GroupPath {
        &self.path
    }

    /// The UID of the member with this number.
    pub fn uid(number: usize) -> String {
        format!("0b9a52a1-6f0c-4c0e-9a53-0f7e51b{number:05x}")
    }

    /// Starts one more member, with a connection of its own.
    pub async fn add(&mut self) -> Result<(), GroupError> {
        // Longer than a sidecar's: a large group is read by many members of this one process at once.
        let timeout = Etcd::DEFAULT_REQUEST_TIMEOUT;
        let number = self.created;
        self.created += 1;
        let (config, urls) = (self.config(number), self.urls.clone());
        let (path, traffic) = (self.path.clone(), Arc::clone(&self.traffic));
        let (journal, probe) = (self.journal.clone(), Arc::clone(&self.probe));
        let starting = async move {
            let etcd = Etcd::connect(&urls, None, timeout).await?;
            let store = Arc::new(Store::new(Metered::new(Arc::new(etcd), traffic)));
            let coordination = Coordination::new(store, path, &config.uid);
            Ok(Member::start(Setup { number, config, coordination, journal, probe }))
        };
        // The connection and the member's tasks stay on the thread on which they are made.
        let host = self.hosts.of(number).ok_or(GroupError::Ended(None))?;
        let started = host.spawn(starting).await.map_err(|_| GroupError::Ended(None))?;
        self.members.push(started.map_err(GroupError::Store)?);
        Ok(())
    }

    /// Starts more members.
    pub async fn add_many(&mut self, count: usize) -> Result<(), GroupError> {
        for _ in 0..count {
            self.add().await?;
        }
        Ok(())
    }

    /// Waits until it is so of all members.
    pub async fn wait(&self, what: &str, is: impl Fn(&[Seen]) -> bool) -> Result<(), GroupError> {
        let since = clock::now().boot;
        loop {
            let seen: Vec<Seen> = self.members.iter().map(Member::seen).collect();
            if is(&seen) {
                return Ok(());
            }
            if clock::now().boot.since(since) > PATIENCE {
                return Err(GroupError::Silent { what: what.to_owned() });
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until every shard is served.
    pub async fn served(&self) -> Result<(), GroupError> {
        let shards = self.template.shards as usize;
        self.wait("every shard has an owner", |seen| {
            seen.iter().map(|seen| seen.shards).sum::<usize>() == shards
        })
        .await
    }

    /// Waits until every member may hand over: its session is older than the takeover delay.
    pub async fn aged(&self) -> Result<(), GroupError> {
        self.wait("every member has a session", |seen| {
            seen.iter().all(|seen| seen.since.is_some())
        })
        .await?;
        let since = self.members.iter().filter_map(|member| member.seen().since).max();
        let old = since.unwrap_or_default().after(self.template.validity.takeover_delay());
        sleep(old.after(OLDER).since(clock::now().boot)).await;
        Ok(())
    }

    /// The member that leads, by its place among the members.
    pub async fn leader(&self) -> Result<usize, GroupError> {
        self.wait("a leader", |seen| seen.iter().any(|seen| seen.leads)).await?;
        Ok(self.members.iter().position(|member| member.seen().leads).unwrap_or_default())
    }

    /// Drains the member at this place, and waits until it has left.
    pub async fn drain(&mut self, place: usize) -> Result<(), GroupError> {
        let mut member = self.members.remove(place);
        member.drain();
        match member.ended(PATIENCE).await {
            Some(EndReason::Left) => Ok(()),
            other => Err(GroupError::Ended(other)),
        }
    }

    /// How many sessions were lost in all.
    pub fn lost(&self) -> u64 {
        self.members.iter().map(|member| member.seen().lost).sum()
    }

    /// What the member with this number is.
    pub fn config(&self, number: usize) -> Config {
        let Template { roles, validity, generation, min_participants, .. } = &self.template;
        Config {
            uid: Self::uid(number),
            pod: format!("checkout-6c8d7f9b54-{number:05x}"),
            node: format!("node-{}", number % 50),
            terms: Terms {
                roles: roles.clone(),
                map: self.template.map(),
                validity: *validity,
                participate: true,
                min_participants: u32::try_from(*min_participants).unwrap_or(u32::MAX),
                ..Terms::default()
            },
            endpoints: [("http".to_owned(), "10.0.0.7:8080".to_owned())].into(),
            generation: generation.clone(),
            admitted: clock::now().wall,
            nonce: format!("{number:032x}"),
            seed: number as u64,
            define_missing: false,
        }
    }
}

/// Everything that happens from now on.
pub fn from_now() -> BootInstant {
    clock::now().boot
}
