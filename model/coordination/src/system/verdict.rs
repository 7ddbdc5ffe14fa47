//! Promises that a single write can break. They are checked when it is carried out.

use super::SystemState;
use crate::config::{Config, MARGIN};
use crate::place::{Pod, Shard};
use crate::store::Revision;
use crate::write::{Reason, Write, WriteKind};

/// The promises that were broken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a promise of its own")]
pub(crate) struct Verdict {
    /// P2: a fence did not grow.
    pub(crate) fence_shrank: bool,
    /// P3: a shard was granted by time less than Q after it was served.
    pub(crate) unrested: bool,
    /// P6: an owner changed during a hold.
    pub(crate) changed_during_hold: bool,
    /// P7: a viewer or a draining member was granted a shard.
    pub(crate) granted_to_nobody: bool,
    /// An older value of the leader replaced a newer one, or who led before put one.
    pub(crate) value_went_back: bool,
}

impl SystemState {
    /// Checks a write that is about to be done at this revision.
    pub(super) fn judge(&mut self, config: &Config, write: &Write, revision: Revision) {
        if let WriteKind::PutValue { shard, fence, number, .. } = write.kind {
            let leads = self.store.owners[shard].is_some_and(|granted| granted.revision == fence);
            self.verdict.value_went_back |= !leads || number < self.store.value.number;
        }
        let Some(shard) = write.shard() else { return };
        self.verdict.changed_during_hold |= self.is_held();
        let Some((pod, session)) = write.grantee() else { return };
        if config.moves_epoch() {
            let fence = (session.epoch, revision);
            let greatest = &mut self.fences[shard];
            self.verdict.fence_shrank |= fence <= *greatest;
            *greatest = (*greatest).max(fence);
        }
        let balances = matches!(write.kind, WriteKind::HandOver { to, .. } if to != write.pod)
            && self.store.members[write.pod].is_some_and(|member| !member.draining);
        self.moves[shard] += u8::from(config.plans && balances);
        // A gift that was under way when its recipient began to drain is passed on.
        let gained = !matches!(write.kind, WriteKind::HandOver { .. });
        let drains = self.store.members[pod].is_some_and(|member| member.draining);
        let views = config.map(pod) != self.store.map.count;
        self.verdict.granted_to_nobody |= gained && drains || views;
        let by_time = match write.kind {
            // It is the owner's own clock that measures Q here.
            WriteKind::HandOver { by_time, .. } => by_time && config.drift == 0,
            WriteKind::TakeOver { reason, .. } => reason == Reason::Delay,
            _ => false,
        };
        self.verdict.unrested |= by_time && self.is_unrested(config, pod, shard);
    }

    fn is_unrested(&self, config: &Config, pod: Pod, shard: Shard) -> bool {
        config
            .every_pod()
            .filter(|other| *other != pod)
            .any(|other| self.serves(other, shard) || self.pods[other].rested[shard] < MARGIN)
    }
}
