//! What the replicas share: which authority signs, which will sign next, and which still verify.
//!
//! Pure values. Every change counts up the generation, by which a replica tells a successor of what it knows from
//! something older or foreign.

use cairn_core::time::UnixMillis;

use super::authority::Authority;
use super::certificate::{self, Certificate};

/// The authorities at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counts changes.
    pub generation: u64,
    /// Signs leaves.
    pub signer: Authority,
    /// Will sign leaves once everybody knows it.
    pub next: Option<Next>,
    /// No longer sign, but verify leaves and answers that others still rely on.
    pub retired: Vec<Retired>,
}

/// An authority that has been announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// It.
    pub authority: Authority,
    /// Since when it is in the bundle.
    pub published: UnixMillis,
}

/// An authority that signs no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// What verifies.
    pub certificate: Certificate,
    /// Since when it signs no longer.
    pub since: UnixMillis,
}

// === impl Record ===

impl Record {
    /// The first one, with the generation after `above`.
    pub fn first(authority: Authority, above: u64) -> Self {
        Self {
            generation: above.saturating_add(1),
            signer: authority,
            next: None,
            retired: Vec::new(),
        }
    }

    /// Every certificate that verifies, the signer's first.
    pub fn trusted(&self) -> impl Iterator<Item = &Certificate> {
        let next = self.next.iter().map(|next| next.authority.certificate());
        let retired = self.retired.iter().map(|retired| &retired.certificate);
        std::iter::once(self.signer.certificate()).chain(next).chain(retired)
    }

    /// Whether leaves of this authority verify.
    pub fn trusts(&self, certificate: &Certificate) -> bool {
        self.trusted().any(|trusted| trusted == certificate)
    }

    /// The bundle for `caBundle` and for sidecars.
    pub fn bundle(&self) -> String {
        certificate::bundle(self.trusted())
    }

    /// With a successor that is published now.
    #[must_use]
    pub fn introducing(&self, authority: Authority, now: UnixMillis) -> Self {
        self.changed(|record| record.next = Some(Next { authority, published: now }))
    }

    /// With the announced successor as signer; the same if there is none.
    #[must_use]
    pub fn promoted(&self, now: UnixMillis) -> Self {
        match &self.next {
            Some(next) => self.signed_by(next.authority.clone(), now),
            None => self.clone(),
        }
    }

    /// With another signer. The present one is retired, and no successor is announced.
    #[must_use]
    pub fn signed_by(&self, authority: Authority, now: UnixMillis) -> Self {
        self.changed(|record| {
            let old = std::mem::replace(&mut record.signer, authority);
            record.next = None;
            record.retire(old.certificate().clone(), now);
        })
    }

    /// With another certificate that verifies, although nothing here signs with it.
    #[must_use]
    pub fn retiring(&self, certificate: Certificate, now: UnixMillis) -> Self {
        self.changed(|record| record.retire(certificate, now))
    }

    /// Without the retired certificates for which `is_needed` is false.
    #[must_use]
    pub fn without(&self, is_needed: impl Fn(&Retired) -> bool) -> Self {
        self.changed(|record| record.retired.retain(is_needed))
    }

    /// The same content as the successor of its own generation and of `found`.
    #[must_use]
    pub fn restored(&self, found: u64) -> Self {
        Self { generation: self.generation.max(found).saturating_add(1), ..self.clone() }
    }

    fn retire(&mut self, certificate: Certificate, since: UnixMillis) {
        if !self.trusts(&certificate) {
            self.retired.push(Retired { certificate, since });
        }
    }

    fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut record = Self { generation: self.generation.saturating_add(1), ..self.clone() };
        change(&mut record);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::super::lives::Lives;
    use super::super::mint;
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    #[test]
    fn a_successor_is_trusted_before_it_signs_and_its_predecessor_after_it_signed() {
        let [old, new] = [(); 2].map(|()| mint::authority(&Lives::default(), NOW).unwrap());
        let first = Record::first(old.clone(), 0);
        let announced = first.introducing(new.clone(), NOW);
        assert_eq!(announced.signer, old);
        assert!(announced.trusts(new.certificate()));
        let promoted = announced.promoted(NOW);
        assert_eq!((&promoted.signer, promoted.next.as_ref()), (&new, None));
        assert!(promoted.trusts(old.certificate()));
        let done = promoted.without(|_| false);
        assert!(!done.trusts(old.certificate()));
        assert_eq!(done.generation, 4);
        assert_eq!(done.bundle(), new.certificate().pem());
    }
}
