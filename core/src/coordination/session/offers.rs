//! Who is passed over: a member that does not take an available shard within V.
//!
//! A member may be sick and still renew. Without this, what the plan gives to it would stay without an owner.

use std::collections::BTreeMap;
use std::time::Duration;

use super::wake::Wake;
use crate::coordination::member::SessionId;
use crate::coordination::owner::Ownable;
use crate::time::BootInstant;

/// What is available, to whom the plan gives it, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers(BTreeMap<Ownable, Offer>);

#[derive(Clone, Debug)]
struct Offer {
    to: SessionId,
    since: BootInstant,
    passed_over: Vec<SessionId>,
}

// === impl Offers ===

impl Offers {
    /// Takes note of what the plan gives to whom. True when somebody is passed over from now on, so that the plan is
    /// another.
    pub(super) fn note(
        &mut self,
        now: BootInstant,
        patience: Duration,
        plan: impl IntoIterator<Item = (Ownable, SessionId)>,
        wake: &mut Wake,
    ) -> bool {
        let mut before = std::mem::take(&mut self.0);
        let mut changed = false;
        for (of, to) in plan {
            let offer = before.remove(&of);
            let mut offer =
                offer.unwrap_or_else(|| Offer { to, since: now, passed_over: Vec::new() });
            if offer.to != to {
                offer.to = to;
                offer.since = now;
            } else if now >= offer.since.after(patience) {
                // When everybody was passed over, all are asked again in turn.
                if offer.passed_over.contains(&to) {
                    offer.passed_over.clear();
                }
                offer.passed_over.push(to);
                offer.since = now;
                changed = true;
            }
            wake.at(offer.since.after(patience));
            self.0.insert(of, offer);
        }
        changed
    }

    /// Nothing is available.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Who is passed over for what.
    pub(super) fn passed_over(&self) -> impl Iterator<Item = (Ownable, SessionId)> {
        let all = self.0.iter();
        all.flat_map(|(of, offer)| offer.passed_over.iter().map(|session| (*of, *session)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_all_were_passed_over_they_are_asked_again_in_turn() {
        let v = Duration::from_secs(3);
        let [a, b] = [1, 2].map(|revision| SessionId { epoch: 1, revision });
        let mut offers = Offers::default();
        let mut passed_over = |seconds: u64, to| {
            let now = BootInstant::from_nanos(seconds * 1_000_000_000);
            offers.note(now, v, [(Ownable::Shard(0), to)], &mut Wake::default());
            offers.passed_over().map(|(_, session)| session).collect::<Vec<_>>()
        };
        assert_eq!((passed_over(0, a), passed_over(3, a)), (vec![], vec![a]));
        assert_eq!((passed_over(3, b), passed_over(6, b)), (vec![a], vec![a, b]));
        assert_eq!((passed_over(6, a), passed_over(9, a)), (vec![a, b], vec![a]));
    }
}
