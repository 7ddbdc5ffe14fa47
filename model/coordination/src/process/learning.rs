//! What a process learns from pictures: which shards it owns, and whose session has ended.

use super::{Ended, Process, Read, Use};
use crate::config::Config;
use crate::place::{PerPod, PerShard, Shard};
use crate::rule::Rule;
use crate::store::{Granted, Store};

impl Process {
    /// Learns what it owns. `late`: the picture may be older than what the process knows.
    ///
    /// It does not learn what it lost: an app that goes on until its deadline is the worst case.
    pub(crate) fn learn(&mut self, config: &Config, owners: PerShard<Option<Granted>>, late: bool) {
        for shard in config.every_shard() {
            let Some(granted) = owners[shard].filter(|granted| self.is_ours(config, *granted))
            else {
                continue;
            };
            let fence = self.uses[shard].fence();
            let goes_back = granted.revision <= self.given[shard] || granted.revision < fence;
            let stays = late && goes_back && config.keeps(Rule::PictureNeverGoesBack);
            if !stays && granted.revision != fence {
                self.uses[shard] = Use::Serving(granted.revision);
            }
        }
    }

    /// What it may learn from the store as it is now. Gains are learnt at once: later is harmless.
    pub(crate) fn look(&mut self, config: &Config, store: &Store) {
        let first = config.keeps(Rule::EpochEndsSessionFirst);
        let current = self.session.is_some_and(|session| session.epoch == store.epoch || !first);
        // Without the rule, shards are learnt from the read that was sent before C3 alone.
        let reads = config.keeps(Rule::ReadsFollowResume) || self.read.is_none();
        if current && reads {
            self.learn(config, store.owners, false);
        }
        for shard in config.every_shard() {
            if let Some(ended) = self.sees_ended(config, store, shard) {
                self.ended[shard] = Some(ended);
            }
        }
    }

    /// The session of a shard's owner, if it is seen for the first time that it has ended.
    pub(crate) fn sees_ended(&self, config: &Config, store: &Store, shard: Shard) -> Option<Ended> {
        let Granted { pod, session, .. } = store.owners[shard]?;
        let over = match &self.read {
            Some(read) if !config.keeps(Rule::PictureOfOneRevision) => {
                read.members[pod] != session.create
            }
            _ => !store.has(pod, session) || !config.keeps(Rule::DelayFromSight),
        };
        let ours = pod == self.pod && self.session == Some(session);
        let known =
            self.ended[shard].is_some_and(|ended| (ended.pod, ended.session) == (pod, session));
        (over && !ours && !known && session.epoch == store.epoch).then_some(Ended {
            pod,
            session,
            left: config.takeover_delay().saturating_sub(self.asked.unwrap_or_default()),
        })
    }

    /// A read of the shards is carried out; its answer comes later.
    pub(crate) fn begin_read(&mut self, store: &Store) {
        let mut read = Read { owners: store.owners, members: PerPod::default() };
        for (seen, member) in read.members.values_mut().into_iter().zip(store.members.values()) {
            *seen = member.map_or(0, |member| member.create);
        }
        self.read = Some(read);
    }

    fn is_ours(&self, config: &Config, granted: Granted) -> bool {
        let ours = self.session == Some(granted.session);
        let named = config.keeps(Rule::GrantNamesSession);
        granted.pod == self.pod && (ours || !named && self.session.is_some())
    }
}
