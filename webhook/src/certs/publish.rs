//! Decides what is written into `caBundle`. Pure.
//!
//! A bundle that lacks ours is repaired at once. What it carries beside ours may be of a replica that we do not know
//! yet, of another mode or with another Secret, during a rollout: it stays for a while. No replica adds what is not its
//! own, so replicas that disagree do not take turns.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_core::time::UnixMillis;

use super::certificate::{self, Certificate};
use super::live::Live;

/// What one replica knows about foreign certificates in bundles.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// How long they stay.
    linger: Duration,
    /// Since when they are seen.
    foreign: BTreeMap<String, UnixMillis>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// Put this bundle into every configuration that carries another one.
    Write(String),
    /// Nothing, or nothing before this time.
    Wait(Option<UnixMillis>),
}

// === impl Publisher ===

impl Publisher {
    /// One that has seen nothing.
    pub fn new(linger: Duration) -> Self {
        Self { linger, foreign: BTreeMap::new() }
    }

    /// What to do so that every bundle has the wanted certificates. A newcomer serves nothing yet: bundles that know
    /// none of its certificates are not damaged, but of others.
    pub fn decide(
        &mut self,
        wanted: &[&Certificate],
        live: &Live,
        newcomer: bool,
        now: UnixMillis,
    ) -> Publication {
        let foreign = foreign(wanted, live, newcomer);
        let kept = self.keep(&foreign, now);
        let bundle = certificate::bundle(wanted.iter().copied().chain(kept.iter().copied()));
        let complete = wanted.iter().all(|certificate| live.carries(certificate));
        if !complete || kept.len() < foreign.len() {
            return Publication::Write(bundle);
        }
        let ends = self.foreign.values().map(|since| since.after(self.linger)).min();
        Publication::Wait(ends)
    }

    fn keep<'a>(&mut self, foreign: &[&'a Certificate], now: UnixMillis) -> Vec<&'a Certificate> {
        let mut seen = BTreeMap::new();
        let mut kept = Vec::new();
        for certificate in foreign {
            let digest = certificate.digest();
            let since = self.foreign.get(&digest).copied().unwrap_or(now).min(now);
            if since.after(self.linger) > now && !certificate.is_over(now) {
                kept.push(*certificate);
            }
            seen.insert(digest, since);
        }
        self.foreign = seen;
        kept
    }
}

/// The certificates beside the wanted ones, in bundles that are not somebody else's altogether.
fn foreign<'a>(wanted: &[&Certificate], live: &'a Live, newcomer: bool) -> Vec<&'a Certificate> {
    let mut found: Vec<&Certificate> = Vec::new();
    for bundle in live.bundles() {
        let carried = bundle.certificates();
        if newcomer || carried.iter().any(|certificate| wanted.contains(&certificate)) {
            for certificate in carried {
                if !wanted.contains(&certificate) && !found.contains(&certificate) {
                    found.push(certificate);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::lives::Lives;
    use super::super::mint;
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
    const LINGER: Duration = Duration::from_secs(60);

    fn certificate() -> Certificate {
        mint::authority(&Lives::default(), NOW).unwrap().certificate().clone()
    }

    fn live(bundles: &[&str]) -> Live {
        let mut live = Live::default();
        for bundle in bundles {
            live.push(String::new(), bundle.as_bytes().to_vec());
        }
        live
    }

    #[test]
    fn a_bundle_without_ours_is_replaced_at_once() {
        let (ours, other) = (certificate(), certificate());
        let (good, foreign) = (ours.pem(), other.pem());
        let mut publisher = Publisher::new(LINGER);
        for bundles in [[good.as_str(), ""], [&foreign, &good], ["x", &foreign]] {
            let decided = publisher.decide(&[&ours], &live(&bundles), false, NOW);
            assert_eq!(decided, Publication::Write(good.clone()), "{bundles:?}");
        }
        let decided = publisher.decide(&[&ours], &live(&[&good, &good]), false, NOW);
        assert_eq!(decided, Publication::Wait(None));
    }

    #[test]
    fn what_others_have_added_stays_for_a_while() {
        let (ours, new, other) = (certificate(), certificate(), certificate());
        let mut publisher = Publisher::new(LINGER);
        let both = format!("{}{}", other.pem(), ours.pem());
        let all = format!("{}{}{}", ours.pem(), new.pem(), other.pem());
        let decided = publisher.decide(&[&ours, &new], &live(&[&both]), false, NOW);
        assert_eq!(decided, Publication::Write(all));
        let end = NOW.after(LINGER);
        let decided = publisher.decide(&[&ours], &live(&[&both]), false, NOW);
        assert_eq!(decided, Publication::Wait(Some(end)));
        let decided = publisher.decide(&[&ours], &live(&[&both]), false, end);
        assert_eq!(decided, Publication::Write(ours.pem()));
    }

    #[test]
    fn a_newcomer_does_not_take_the_authority_of_others_away() {
        let (ours, other) = (certificate(), certificate());
        let both = format!("{}{}", ours.pem(), other.pem());
        let mut publisher = Publisher::new(LINGER);
        let decided = publisher.decide(&[&ours], &live(&[&other.pem()]), true, NOW);
        assert_eq!(decided, Publication::Write(both));
    }
}
