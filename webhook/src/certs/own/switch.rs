//! Decides when a certificate that somebody else made is served. Pure.
//!
//! Such a Secret has no announced successor: authority and leaf change at once. The overlap is made here, in the
//! bundle: the new authority joins the old one first, the leaf follows when API servers can know both, and the old
//! authority leaves last.

use cairn_core::time::UnixMillis;

use super::super::certificate::{self, Certificate};
use super::super::live::Live;
use super::super::lives::Lives;
use super::super::publish::{Publication, Publisher};
use super::super::verify::verify;
use super::pair::Pair;

/// What one replica knows.
#[derive(Clone, Debug)]
pub struct Switch {
    /// The name of our Service.
    name: String,
    lives: Lives,
    /// Whether `caBundle` is ours to write.
    writes: bool,
    serving: Option<Pair>,
    /// Since when the configurations verify the pair that is not served yet.
    verified: Option<UnixMillis>,
    publisher: Publisher,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Put this bundle into every configuration that carries another one.
    Publish(String),
    /// Serve this pair.
    Serve(Pair),
    /// Nothing before this time, unless something changes.
    Rest(UnixMillis),
}

// === impl Switch ===

impl Switch {
    /// A replica that serves nothing yet.
    pub fn new(name: String, lives: Lives, writes: bool) -> Self {
        let publisher = Publisher::new(lives.linger);
        Self { name, lives, writes, serving: None, verified: None, publisher }
    }

    /// This pair is served from now on.
    pub fn serve(&mut self, pair: Pair) {
        self.serving = Some(pair);
        self.verified = None;
    }

    /// The bundle for `caBundle` and sidecars, while `pair` is what the Secret holds.
    pub fn bundle(&self, pair: &Pair) -> String {
        certificate::bundle(wanted(self.serving.as_ref(), pair))
    }

    /// The next step, while `pair` is what the Secret holds.
    pub fn step(&mut self, live: &Live, pair: &Pair, now: UnixMillis) -> Step {
        let mut until = now.after(self.lives.recheck());
        if self.writes {
            let newcomer = self.serving.is_none();
            let wanted = wanted(self.serving.as_ref(), pair);
            match self.publisher.decide(&wanted, live, newcomer, now) {
                Publication::Write(bundle) => return Step::Publish(bundle),
                Publication::Wait(ends) => until = ends.map_or(until, |ends| ends.min(until)),
            }
        }
        if self.serving.as_ref() != Some(pair) {
            match self.may_serve_at(live, pair, now) {
                Some(at) if at <= now => return Step::Serve(pair.clone()),
                Some(at) => until = until.min(at),
                None => {}
            }
        }
        Step::Rest(until)
    }

    /// When the pair may be served; `None` while a configuration does not verify it.
    fn may_serve_at(&mut self, live: &Live, pair: &Pair, now: UnixMillis) -> Option<UnixMillis> {
        let Some(serving) = &self.serving else { return Some(now) };
        if !self.verifies(live, serving, now) {
            return Some(now);
        }
        if !self.verifies(live, pair, now) {
            self.verified = None;
            return None;
        }
        let known = |authority: &Certificate| serving.authorities.contains(authority);
        if pair.authorities.iter().all(known) {
            return Some(now);
        }
        Some(self.verified.get_or_insert(now).after(self.lives.settle))
    }

    fn verifies(&self, live: &Live, pair: &Pair, now: UnixMillis) -> bool {
        let verifies = |pem: &[u8]| verify(&pair.key.cert, pem, &self.name, now).is_ok();
        live.bundles().iter().all(|bundle| verifies(&bundle.pem))
    }
}

/// The authorities of the pair, and of the leaf that is still served.
fn wanted<'a>(serving: Option<&'a Pair>, pair: &'a Pair) -> Vec<&'a Certificate> {
    let mut wanted: Vec<&Certificate> = pair.authorities.iter().collect();
    for authority in serving.iter().flat_map(|serving| &serving.authorities) {
        if !wanted.contains(&authority) {
            wanted.push(authority);
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::super::super::authority::Authority;
    use super::super::super::mint;
    use super::super::testing::{NAME, NOW, pair_of};
    use super::*;

    fn pair(authority: &Authority) -> Pair {
        Pair::read(Some(&pair_of(authority).0), NAME, NOW).unwrap()
    }

    fn live(bundle: &str) -> Live {
        let mut live = Live::default();
        live.push("one".to_owned(), bundle.as_bytes().to_vec());
        live
    }

    fn switch(writes: bool) -> Switch {
        Switch::new(NAME.to_owned(), Lives::default(), writes)
    }

    fn rest(now: UnixMillis) -> Step {
        Step::Rest(now.after(Lives::default().recheck()))
    }

    #[test]
    fn a_new_authority_joins_the_bundle_then_signs_then_the_old_one_leaves() {
        let lives = Lives::default();
        let [one, two] = [(); 2].map(|()| mint::authority(&lives, NOW).unwrap());
        let (old, new) = (pair(&one), pair(&two));
        let (first, second) = (one.certificate().pem(), two.certificate().pem());
        let both = format!("{second}{first}");
        let mut switch = switch(true);
        assert_eq!(switch.step(&live(""), &old, NOW), Step::Publish(first.clone()));
        assert_eq!(switch.step(&live(&first), &old, NOW), Step::Serve(old.clone()));
        switch.serve(old.clone());
        assert_eq!(switch.step(&live(&first), &old, NOW), rest(NOW));

        assert_eq!(switch.step(&live(&first), &new, NOW), Step::Publish(both.clone()));
        let settled = NOW.after(lives.settle);
        assert_eq!(switch.step(&live(&both), &new, NOW), Step::Rest(settled));
        assert_eq!(switch.step(&live(&both), &new, settled), Step::Serve(new.clone()));
        switch.serve(new.clone());
        assert_eq!(switch.bundle(&new), second);
        assert_eq!(switch.step(&live(&both), &new, settled), rest(settled));
        let later = settled.after(lives.linger);
        assert_eq!(switch.step(&live(&both), &new, later), Step::Publish(second));
    }

    #[test]
    fn a_renewed_leaf_of_the_same_authority_is_served_at_once() {
        let authority = mint::authority(&Lives::default(), NOW).unwrap();
        let (old, new) = (pair(&authority), pair(&authority));
        let mut switch = switch(true);
        switch.serve(old);
        let live = live(&authority.certificate().pem());
        assert_eq!(switch.step(&live, &new, NOW), Step::Serve(new.clone()));
    }

    #[test]
    fn while_another_controller_writes_the_bundle_the_pair_waits_for_it() {
        let [one, two] = [(); 2].map(|()| mint::authority(&Lives::default(), NOW).unwrap());
        let (old, new) = (pair(&one), pair(&two));
        let mut switch = switch(false);
        switch.serve(old);
        let before = live(&one.certificate().pem());
        assert_eq!(switch.step(&before, &new, NOW), rest(NOW));
        // The other controller knows no overlap: the old leaf verifies no longer.
        let after = live(&two.certificate().pem());
        assert_eq!(switch.step(&after, &new, NOW), Step::Serve(new.clone()));
    }
}
