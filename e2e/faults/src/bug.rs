//! Planted bugs, which the checker must find.
//!
//! Each bug leaves out a rule of the protocol. It changes requests or answers between the product's code and etcd, the
//! pod's clock, or its kubelet. The product itself has no hook for them.

use std::fmt;
use std::str::FromStr;

use cairn_core::keys::Key;
use cairn_store::kv::{Op, OpReply, Txn, TxnReply};

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Quarantines are neither listed by T0 nor compared by T1 and T2.
    NoQuarantine,
    /// T5 releases without comparing the own revision of slot and owner record.
    BlindRelease,
    /// A renewal without an answer counts as a good one.
    FalseRenewal,
    /// The pod's boot clock runs at three tenths of the correct rate.
    SlowClock,
    /// Joining the queue compares neither that the pod has no owner record nor that it has no ticket.
    UnguardedQueue,
    /// The server grants a third of the lease that it says it grants.
    ShortLease,
    /// A free name is claimed although other pods wait.
    JumpedQueue,
    /// The apps of Stop pools have no liveness probe.
    NoStop,
    /// T5 puts a quarantine without a quarantine record.
    ForgetfulRelease,
}

// === impl Bug ===

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 9] = [
        Self::NoQuarantine,
        Self::BlindRelease,
        Self::FalseRenewal,
        Self::SlowClock,
        Self::UnguardedQueue,
        Self::ShortLease,
        Self::JumpedQueue,
        Self::NoStop,
        Self::ForgetfulRelease,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoQuarantine => "no-quarantine",
            Self::BlindRelease => "blind-release",
            Self::FalseRenewal => "false-renewal",
            Self::SlowClock => "slow-clock",
            Self::UnguardedQueue => "unguarded-queue",
            Self::ShortLease => "short-lease",
            Self::JumpedQueue => "jumped-queue",
            Self::NoStop => "no-stop",
            Self::ForgetfulRelease => "forgetful-release",
        }
    }

    /// Changes a request.
    pub fn request(self, mut txn: Txn) -> Txn {
        match self {
            Self::NoQuarantine => {
                txn.compares.retain(|compare| {
                    !matches!(Key::parse(&compare.key), Some(Key::Quarantine(..)))
                });
            }
            Self::BlindRelease if is_release(&txn) => txn.compares.clear(),
            Self::ForgetfulRelease if is_release(&txn) => {
                for op in &mut txn.then {
                    if let Op::Put { key, value, .. } = op
                        && matches!(Key::parse(key), Some(Key::Quarantine(..)))
                    {
                        value.clear();
                    }
                }
            }
            Self::UnguardedQueue => {
                for op in txn.then.iter_mut().chain(&mut txn.otherwise) {
                    if let Op::Txn(join) = op {
                        join.compares.clear();
                    }
                }
            }
            Self::JumpedQueue => {
                txn.compares
                    .retain(|compare| !matches!(Key::parse(&compare.key), Some(Key::Sentinel(_))));
            }
            _ => {}
        }
        txn
    }

    /// Changes the answer to a request.
    pub fn answer(self, txn: &Txn, mut reply: TxnReply) -> TxnReply {
        let done = if reply.succeeded { &txn.then } else { &txn.otherwise };
        for (op, answer) in done.iter().zip(&mut reply.replies) {
            let hidden = match (self, op) {
                (Self::NoQuarantine, Op::List { prefix, .. } | Op::ListAt { prefix, .. }) => {
                    prefix.ends_with("/x/")
                }
                (Self::JumpedQueue, Op::Count(prefix)) => prefix.ends_with("/q/"),
                _ => false,
            };
            if hidden {
                *answer = OpReply::Keys { keys: Vec::new(), count: 0 };
            }
        }
        reply
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|bug| bug.name() == text)
            .ok_or_else(|| format!("no planted bug is called '{text}'"))
    }
}

/// Whether a transaction releases a slot (T5).
fn is_release(txn: &Txn) -> bool {
    txn.then
        .iter()
        .any(|op| matches!(op, Op::Delete(key) if matches!(Key::parse(key), Some(Key::Slot(..)))))
}

/// Whether a transaction is the read of a renew pair: it reads single keys, at least one of them a slot.
pub fn is_renewal(txn: &Txn) -> bool {
    let single = |op: &Op| matches!(op, Op::Get(_));
    let slot =
        |op: &Op| matches!(op, Op::Get(key) if matches!(Key::parse(key), Some(Key::Slot(..))));
    txn.compares.is_empty() && txn.then.iter().all(single) && txn.then.iter().any(slot)
}

/// Whether a transaction may claim a name or join the queue. The harness delivers some of these late a second time.
pub fn is_claim(txn: &Txn) -> bool {
    let puts = |op: &Op| matches!(op, Op::Put { .. } | Op::Txn(_));
    !txn.compares.is_empty() && txn.then.iter().chain(&txn.otherwise).any(puts)
}

#[cfg(test)]
mod tests {
    use cairn_store::kv::Compare;

    use super::*;

    const SLOT: &str = "/cairn/v1/cluster/nodes/-/s/1";
    const QUARANTINE: &str = "/cairn/v1/cluster/nodes/-/x/1";

    #[test]
    fn each_bug_leaves_out_its_own_rule_and_no_other() {
        let claim = Txn {
            compares: vec![Compare::created(SLOT, 0), Compare::created(QUARANTINE, 0)],
            then: vec![Op::put(SLOT, "", 7)],
            otherwise: vec![Op::Txn(Txn {
                compares: vec![Compare::created(SLOT, 0)],
                ..Txn::default()
            })],
        };
        let kept = |bug: Bug| bug.request(claim.clone()).compares.len();
        assert_eq!((kept(Bug::NoQuarantine), kept(Bug::BlindRelease)), (1, 2));
        let unguarded = Bug::UnguardedQueue.request(claim.clone());
        assert!(matches!(&unguarded.otherwise[0], Op::Txn(join) if join.compares.is_empty()));
        assert!(is_claim(&claim) && !is_renewal(&claim) && !is_release(&claim));
        let release = Txn {
            compares: vec![Compare::modified(SLOT, 5)],
            then: vec![Op::Delete(SLOT.to_owned())],
            ..Txn::default()
        };
        assert!(Bug::BlindRelease.request(release).compares.is_empty());
        assert!(is_renewal(&Txn { then: vec![Op::get(SLOT)], ..Txn::default() }));
    }

    #[test]
    fn the_name_of_every_bug_is_parsed_back() {
        assert!(Bug::ALL.iter().all(|bug| bug.name().parse() == Ok(*bug)));
        assert!("none".parse::<Bug>().is_err());
    }
}
