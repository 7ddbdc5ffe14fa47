//! Planted bugs, which the judge must find. Each changes what the machine is told or asked, or the set-up of the store;
//! the machine itself has no hook.

use std::sync::Arc;

use cairn_core::coordination::member::SessionId;
use cairn_core::coordination::owner::{Grant, Granted, Ownable};
use cairn_core::coordination::picture::{Change, Changes};
use cairn_core::coordination::session::{Config, Event, Status};
use cairn_core::coordination::validity::Validity;
use cairn_core::coordination::write::WriteAnswer;
use cairn_core::time::BootInstant;

use super::newer::each_member;

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A deadline counts from the answer of the read, not from its send.
    LateDeadline,
    /// The takeover delay has only the margin in it, and no validity.
    NoDelay,
    /// The takeover delay has no margin in it.
    NoMargin,
    /// A stop counts as confirmed as soon as the app is told.
    Unconfirmed,
    /// A grant to our pod counts as ours, whatever session it names.
    OldGrants,
    /// A restored store gets its new epoch without a hold.
    LostHold,
    /// A resumed process hands over at once.
    NoWaitAfterResume,
    /// A takeover waits three times as long as it has to.
    LateTakeover,
    /// The fence that an app is told is the same for every grant.
    OneFence,
    /// A member that names another map counts as one of the map in force.
    AnyMap,
    /// Time ends a stop where a confirmation is required.
    NotRequired,
    /// The sidecar calls in the place of its app.
    OwnHeartbeat,
    /// A late copy of the leader's value compares neither fence nor value.
    LooseValue,
    /// No member announces its weight.
    NoWeights,
    /// A member plans by its own version, whatever others announce.
    OwnPlan,
}

// === impl Bug ===

impl Bug {
    /// Changes what the machine is told now.
    pub fn event(self, config: &Config, now: BootInstant, event: &mut Event) {
        match self {
            Self::LateDeadline => {
                if let Event::Renewed(renewal) = event {
                    renewal.sent = now;
                }
            }
            Self::NoDelay => {
                each_grant(event, |grant| grant.validity_ms = Validity::from_millis(0));
            }
            Self::NoMargin => each_grant(event, |grant| {
                // D of this is D of V without Q.
                let millis = u64::try_from(grant.validity_ms.span().as_millis()).unwrap_or(0);
                grant.validity_ms = Validity::from_millis(millis.saturating_sub(1_981));
            }),
            Self::LateTakeover => each_grant(event, |grant| {
                let millis = u64::try_from(grant.validity_ms.span().as_millis()).unwrap_or(0);
                grant.validity_ms = Validity::from_millis(millis * 3);
            }),
            Self::AnyMap => each_member(event, |uid, member| {
                if uid != config.uid {
                    member.record.map = config.terms.map;
                }
            }),
            _ => {}
        }
    }

    /// What the machine is told before the answer to a join: that what an earlier session had is the new one's.
    pub fn before_join(
        self,
        uid: &str,
        epoch: i64,
        status: &Status,
        answer: &Event,
    ) -> Option<Event> {
        let Event::Written(WriteAnswer::Committed { revision }) = answer else { return None };
        if self != Self::OldGrants || status.session.is_some() {
            return None;
        }
        let session = SessionId { epoch, revision: *revision };
        let owned = status.picture.shards.iter().filter(|(_, granted)| granted.grant.uid == uid);
        let changes = owned.map(|(shard, granted)| {
            let grant = Arc::new(Grant { session, ..(*granted.grant).clone() });
            let granted = Granted { grant, revision: granted.revision };
            Change::Owner(Ownable::Shard(*shard), Some(granted))
        });
        let (revision, changes) = (status.picture.revision, changes.collect());
        Some(Event::Changed(Changes { revision, changes }))
    }
}

fn each_grant(event: &mut Event, change: impl Fn(&mut Grant)) {
    match event {
        Event::Read { picture, .. } => {
            let grants = picture.shards.values_mut().chain(picture.leader.as_mut());
            grants.for_each(|granted| change(Arc::make_mut(&mut granted.grant)));
        }
        Event::Changed(changes) | Event::Written(WriteAnswer::Refused(changes)) => {
            in_changes(changes).for_each(|granted| change(Arc::make_mut(&mut granted.grant)));
        }
        _ => {}
    }
}

fn in_changes(changes: &mut Changes) -> impl Iterator<Item = &mut Granted> {
    changes.changes.iter_mut().filter_map(|change| match change {
        Change::Owner(_, granted) => granted.as_mut(),
        _ => None,
    })
}
