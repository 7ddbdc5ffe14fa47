//! Performs the session machine's actions: one call each, and the event with its answer.
//!
//! Not for watches, which stay open beside the other actions ([`Coordination::watch`]), nor for the end of the machine.

use cairn_core::coordination::session::{Action, Event, SessionLease};
use cairn_core::time::BootInstant;

use super::Coordination;
use crate::error::Error;
use crate::kv::Kv;

/// The result of an action.
#[derive(Debug, Default)]
pub struct Performed {
    /// The event for the machine; `None` when the answer does not matter.
    pub event: Option<Event>,
    /// What went wrong.
    pub error: Option<Error>,
}

/// What an action is for, as far as its failure goes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Preparing,
    Reading,
    Writing,
    Renewing,
    Other,
}

impl<K: Kv> Coordination<K> {
    /// Performs an action. `sent` is the instant before the call: a deadline may start there.
    pub async fn perform(&self, sent: BootInstant, action: Action) -> Performed {
        let kind = Kind::of(&action);
        match self.try_perform(sent, action).await {
            Ok(event) => Performed { event, error: None },
            Err(error) => Performed { event: kind.failed(error.report()), error: Some(error) },
        }
    }

    async fn try_perform(&self, sent: BootInstant, action: Action) -> Result<Option<Event>, Error> {
        let event = match action {
            Action::Grant { ttl } => {
                let granted = self.store.grant(sent, ttl).await?;
                Event::Granted(SessionLease { lease: granted.lease, ttl: granted.ttl })
            }
            Action::Define { epoch, hold } => {
                self.store.define_coordination(epoch, hold).await?;
                Event::Defined
            }
            Action::Read { shards } => {
                Event::Read { sent, picture: Box::new(self.read(shards).await?) }
            }
            Action::Write(write) => Event::Written(self.write(&write).await?),
            Action::Renew { lease } => Event::Renewed(Box::new(self.renew(sent, lease).await?)),
            Action::Revoke(lease) => {
                self.store.revoke(lease).await?;
                return Ok(None);
            }
            Action::Watch { .. } | Action::Unwatch | Action::Finish(_) => return Ok(None),
        };
        Ok(Some(event))
    }
}

// === impl Kind ===

impl Kind {
    fn of(action: &Action) -> Self {
        match action {
            Action::Grant { .. } | Action::Define { .. } => Self::Preparing,
            Action::Read { .. } => Self::Reading,
            Action::Write(_) => Self::Writing,
            Action::Renew { .. } => Self::Renewing,
            Action::Watch { .. } | Action::Unwatch | Action::Revoke(_) | Action::Finish(_) => {
                Self::Other
            }
        }
    }

    fn failed(self, message: String) -> Option<Event> {
        Some(match self {
            Self::Preparing => Event::PreparingFailed(message),
            Self::Reading => Event::ReadFailed(message),
            Self::Writing => Event::WriteFailed(message),
            Self::Renewing => Event::RenewFailed(message),
            Self::Other => return None,
        })
    }
}
