//! The compares of each write, and what it puts (docs/coordination.md, Transactions).

use crate::config::Config;
use crate::place::{Pod, Shard};
use crate::rule::Rule;
use crate::store::{Granted, LeaderValue, Member, Revision, Session, ShardMap, Store};
use crate::write::{Write, WriteKind};

/// What a write's compares say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    /// Those that fail for ever once they fail: epochs, and revisions other than 0.
    pub(crate) lasting: bool,
    /// All the others: that a key is absent.
    pub(crate) passing: bool,
}

// === impl Compared ===

impl Compared {
    /// Whether the write is done.
    pub(crate) fn holds(self) -> bool {
        self.lasting && self.passing
    }
}

// === impl Store ===

impl Store {
    /// Evaluates the compares of a write.
    pub(crate) fn compare(&self, config: &Config, write: &Write) -> Compared {
        let keeps = |rule| config.keeps(rule);
        let epoch = write.epoch == self.epoch || !keeps(Rule::WritesCompareEpoch);
        let defined = write.epoch != 0 || !keeps(Rule::NothingWithoutEpoch);
        let member = self.members[write.pod];
        let mine = member.is_some_and(|member| member.modified == write.mine);
        let granted = |shard: Shard, seen: Revision| {
            self.owners[shard].is_some_and(|granted| granted.revision == seen)
        };
        let mut passing = true;
        let lasting = match write.kind {
            WriteKind::Join { .. } => {
                let out = self.out[write.pod] && keeps(Rule::JoinComparesOut);
                passing = member.is_none() && !out;
                true
            }
            WriteKind::Resume { create, seen } => {
                member.is_some_and(|member| member.create == create && member.modified == seen)
            }
            WriteKind::Drain | WriteKind::Leave => mine,
            WriteKind::Claim { shard, map } => {
                passing = self.owners[shard].is_none();
                (mine || !keeps(Rule::ClaimComparesMine))
                    && (self.map.revision == map || !keeps(Rule::ClaimComparesMap))
            }
            WriteKind::HandOver { shard, fence, to, create, .. } => {
                let fenced = granted(shard, fence)
                    || !keeps(Rule::HandOverComparesFence) && self.owners[shard].is_some();
                fenced
                    && (mine || !keeps(Rule::HandOverComparesMine))
                    && self.members[to].is_some_and(|member| member.create == create)
            }
            WriteKind::TakeOver { shard, seen, .. } => {
                let same = granted(shard, seen)
                    || !keeps(Rule::TakeOverComparesGrant) && self.owners[shard].is_some();
                same && (mine || !keeps(Rule::TakeOverComparesMine))
            }
            WriteKind::FreeEnded { shard, seen } => granted(shard, seen) && mine,
            WriteKind::Free { shard, fence } => {
                granted(shard, fence) && (mine || !keeps(Rule::FreeComparesMine))
            }
            WriteKind::PutValue { shard, fence, seen, .. } => {
                (granted(shard, fence) || !keeps(Rule::ValueComparesFence))
                    && (self.value.revision == seen || !keeps(Rule::ValueComparesValue))
            }
            WriteKind::Resize { seen, .. } => {
                passing = self.is_free() || !keeps(Rule::ResizeComparesShards);
                self.map.revision == seen
            }
        };
        Compared { lasting: lasting && epoch && defined, passing }
    }

    /// Does what a write whose compares hold does, at this revision.
    pub(crate) fn put(&mut self, write: &Write, revision: Revision) {
        self.revision = revision;
        let member = &mut self.members[write.pod];
        match write.kind {
            WriteKind::Join { draining } => {
                let (create, nonce) = (revision, write.nonce);
                *member = Some(Member { create, modified: revision, nonce, draining });
            }
            WriteKind::Resume { .. } => {
                if let Some(member) = member {
                    member.modified = revision;
                    member.nonce = write.nonce;
                }
            }
            WriteKind::Drain => {
                if let Some(member) = member {
                    member.modified = revision;
                    member.draining = true;
                }
            }
            WriteKind::Leave => *member = None,
            WriteKind::FreeEnded { shard, .. } | WriteKind::Free { shard, .. } => {
                self.owners[shard] = None;
            }
            WriteKind::PutValue { number, .. } => self.value = LeaderValue { number, revision },
            WriteKind::Resize { count, .. } => self.map = ShardMap { count, revision },
            WriteKind::Claim { shard, .. }
            | WriteKind::HandOver { shard, .. }
            | WriteKind::TakeOver { shard, .. } => {
                self.owners[shard] =
                    write.grantee().map(|(pod, session)| Granted { pod, session, revision });
            }
        }
    }
}

// === impl Write ===

impl Write {
    /// Whose the shard is after the write, if it grants one.
    pub(crate) fn grantee(&self) -> Option<(Pod, Session)> {
        match self.kind {
            WriteKind::HandOver { to, create, .. } => {
                Some((to, Session { epoch: self.epoch, create }))
            }
            WriteKind::Claim { .. } | WriteKind::TakeOver { .. } => Some((self.pod, self.session?)),
            _ => None,
        }
    }

    /// The shard whose owner it changes.
    pub(crate) fn shard(&self) -> Option<Shard> {
        match self.kind {
            WriteKind::Claim { shard, .. }
            | WriteKind::HandOver { shard, .. }
            | WriteKind::TakeOver { shard, .. }
            | WriteKind::FreeEnded { shard, .. }
            | WriteKind::Free { shard, .. } => Some(shard),
            _ => None,
        }
    }
}
