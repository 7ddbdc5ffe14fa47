//! Decides the next step of the built-in certificates, for one of several replicas that share a Secret.
//!
//! A successor is announced in the bundle first, signs when the live configurations have carried it for a while, and
//! its predecessor leaves the bundle when no leaf and no sidecar can depend on it any more. Invariants: a leaf is not
//! served before every live configuration carries its authority; no step takes the authority of a served leaf out of a
//! bundle.
//!
//! Pure: what is seen and the time come in, one step comes out. The caller reads the configurations **before** the
//! Secret, and carries a step out only if what it read is still there. So a configuration that was read before a
//! newer Secret is never overwritten with an older bundle.

use std::collections::BTreeMap;

use cairn_core::time::UnixMillis;

use super::authority::Authority;
use super::certificate::Certificate;
use super::live::Live;
use super::lives::Lives;
use super::mint;
use super::publish::{Publication, Publisher};
use super::record::Record;
use super::stored::{Damage, Stored};

/// What one replica knows.
#[derive(Clone, Debug)]
pub struct Rotation {
    lives: Lives,
    /// The last complete record. It restores a Secret that is gone or damaged.
    known: Option<Record>,
    serving: Option<Serving>,
    /// Since when every live configuration carries each certificate, as far as this replica has seen it.
    carried: BTreeMap<String, UnixMillis>,
    publisher: Publisher,
}

/// The served leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Its authority.
    pub authority: Certificate,
    /// When it is replaced.
    pub renew_at: UnixMillis,
    /// The end of its life.
    pub not_after: UnixMillis,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put this record into the Secret.
    Write {
        /// It.
        record: Record,
        /// Why, for the log.
        why: String,
    },
    /// Make an authority, and write the record that has it.
    Mint(Vacancy),
    /// Put this bundle into every configuration that carries another one.
    Publish(String),
    /// Serve a leaf of this authority.
    Serve(Authority),
    /// Nothing before this time, unless something changes.
    Rest(UnixMillis),
}

/// What an authority is missing for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vacancy {
    /// There is none; the generation that was found.
    First(u64),
    /// The successor of this record's signer.
    Successor(Record),
    /// The signer of this record, whose life is over.
    Signer(Record),
}

// === impl Vacancy ===

impl Vacancy {
    /// The record with the new authority, and why it is written.
    pub fn filled(self, authority: Authority, now: UnixMillis) -> (Record, &'static str) {
        match self {
            Self::First(found) => (Record::first(authority, found), "made the first authority"),
            Self::Successor(record) => {
                (record.introducing(authority, now), "announced a new authority")
            }
            Self::Signer(record) => {
                (record.signed_by(authority, now), "replaced an authority whose life is over")
            }
        }
    }
}

// === impl Rotation ===

impl Rotation {
    /// A replica that knows nothing yet.
    pub fn new(lives: Lives) -> Self {
        let publisher = Publisher::new(lives.linger);
        Self { lives, known: None, serving: None, carried: BTreeMap::new(), publisher }
    }

    /// A leaf of this authority is served from now on.
    pub fn serve(&mut self, authority: &Authority, now: UnixMillis, not_after: UnixMillis) {
        let left = u64::try_from(not_after.0 - now.0).unwrap_or(0);
        let renew_at = now.after(std::time::Duration::from_millis(left / 2));
        let authority = authority.certificate().clone();
        self.serving = Some(Serving { authority, renew_at, not_after });
    }

    /// The served leaf.
    pub fn serving(&self) -> Option<&Serving> {
        self.serving.as_ref()
    }

    /// The last complete record.
    pub fn known(&self) -> Option<&Record> {
        self.known.as_ref()
    }

    /// The next step.
    pub fn step(&mut self, live: &Live, stored: &Stored, now: UnixMillis) -> Step {
        let record = match self.accept(stored) {
            Ok(record) => record,
            Err(repair) => return *repair,
        };
        self.observe(&record, live, now);
        let urgent = signer_over(&record, now)
            .or_else(|| self.tidy(&record, now))
            .or_else(|| self.leaf(&record, live, now))
            .or_else(|| self.keep_own(&record, live, now));
        if let Some(step) = urgent {
            return step;
        }
        let trusted: Vec<&Certificate> = record.trusted().collect();
        let newcomer = self.serving.is_none();
        match self.publisher.decide(&trusted, live, newcomer, now) {
            Publication::Write(bundle) => Step::Publish(bundle),
            Publication::Wait(until) => self.rotate(&record, now).unwrap_or_else(|| {
                let wake_at = self.wake_at(&record, now);
                Step::Rest(until.map_or(wake_at, |until| until.min(wake_at)))
            }),
        }
    }

    /// The record in the Secret, if it is complete and not older than what this replica knows; otherwise the repair.
    fn accept(&mut self, stored: &Stored) -> Result<Record, Box<Step>> {
        let (found, why) = match (stored, &self.known) {
            (Stored::Whole(record), Some(known))
                if record != known && record.generation <= known.generation =>
            {
                (record.generation, "restored the Secret, which was replaced".to_owned())
            }
            (Stored::Whole(record), _) => {
                self.known = Some(record.clone());
                return Ok(record.clone());
            }
            (Stored::Missing, _) => (0, "restored the Secret, which was deleted".to_owned()),
            (Stored::Damaged(Damage { why, generation, .. }), _) => {
                (*generation, format!("repaired the Secret, in which {why}"))
            }
        };
        let salvage = match stored {
            Stored::Damaged(Damage { salvage, .. }) => salvage.as_ref(),
            Stored::Missing | Stored::Whole(_) => None,
        };
        Err(Box::new(match self.known.as_ref().or(salvage) {
            Some(record) => Step::Write { record: record.restored(found), why },
            None => Step::Mint(Vacancy::First(found)),
        }))
    }

    fn observe(&mut self, record: &Record, live: &Live, now: UnixMillis) {
        let mut carried = BTreeMap::new();
        for certificate in record.trusted().filter(|certificate| live.carries(certificate)) {
            let digest = certificate.digest();
            let since = self.carried.get(&digest).copied().unwrap_or(now);
            // A clock that was set back must not make us wait longer.
            carried.insert(digest, since.min(now));
        }
        self.carried = carried;
    }

    fn settled_at(&self, certificate: &Certificate) -> Option<UnixMillis> {
        let since = self.carried.get(&certificate.digest())?;
        Some(since.after(self.lives.settle))
    }

    fn is_settled(&self, certificate: &Certificate, now: UnixMillis) -> bool {
        self.settled_at(certificate).is_some_and(|at| at <= now)
    }

    /// Drops retired authorities on which nothing can depend any more.
    fn tidy(&self, record: &Record, now: UnixMillis) -> Option<Step> {
        let serves = |certificate: &Certificate| {
            let own = self.serving.as_ref();
            own.is_some_and(|own| own.authority == *certificate && own.not_after > now)
        };
        let rest = record.without(|retired| {
            let certificate = &retired.certificate;
            let retained = retired.since.after(self.lives.retain) > now || serves(certificate);
            retained && !certificate.is_over(now)
        });
        (rest.retired.len() < record.retired.len()).then(|| Step::Write {
            record: rest,
            why: "dropped an authority on which nothing depends any more".to_owned(),
        })
    }

    /// Serves a leaf of the signer when there is none, it is another's, or it is half over.
    fn leaf(&self, record: &Record, live: &Live, now: UnixMillis) -> Option<Step> {
        let signer = record.signer.certificate();
        let due = match &self.serving {
            None => live.carries(signer),
            // It verifies wherever the present one does.
            Some(own) if own.authority == *signer => own.renew_at <= now,
            Some(own) => {
                let may_wait =
                    own.not_after > now.after(self.lives.settle) && live.carries(&own.authority);
                live.carries(signer) && (!may_wait || self.is_settled(signer, now))
            }
        };
        due.then(|| Step::Serve(record.signer.clone()))
    }

    /// Keeps the authority of our leaf in the bundle when a record has appeared that does not know it.
    fn keep_own(&self, record: &Record, live: &Live, now: UnixMillis) -> Option<Step> {
        let own = self.serving.as_ref()?;
        let relied_on = own.not_after > now && live.carries(&own.authority);
        (relied_on && !record.trusts(&own.authority)).then(|| Step::Write {
            record: record.retiring(own.authority.clone(), now),
            why: "added the authority of a served certificate".to_owned(),
        })
    }

    /// Announces a successor, or lets it sign. The live configurations carry the bundle.
    fn rotate(&self, record: &Record, now: UnixMillis) -> Option<Step> {
        let signer = record.signer.certificate();
        let alive = record.next.as_ref().filter(|next| !next.authority.certificate().is_over(now));
        let Some(next) = alive else {
            let due = self.lives.successor_due(mint::made(signer.not_before()), signer.not_after());
            return (due <= now).then(|| Step::Mint(Vacancy::Successor(record.clone())));
        };
        let known = next.published.after(self.lives.announce) <= now
            && self.is_settled(next.authority.certificate(), now);
        let urgent = self.lives.is_urgent(signer.not_after(), now);
        (known || urgent).then(|| Step::Write {
            record: record.promoted(now),
            why: "the announced authority signs from now on".to_owned(),
        })
    }

    /// The earliest time at which another step may be due.
    fn wake_at(&self, record: &Record, now: UnixMillis) -> UnixMillis {
        let signer = record.signer.certificate();
        let settled = record.trusted().filter_map(|certificate| self.settled_at(certificate));
        let own = self.serving.iter().flat_map(|own| [own.renew_at, own.not_after]);
        let drops = record.retired.iter().flat_map(|retired| {
            [retired.since.after(self.lives.retain), retired.certificate.not_after()]
        });
        let announced = record.next.iter().map(|next| next.published.after(self.lives.announce));
        let due = self.lives.successor_due(mint::made(signer.not_before()), signer.not_after());
        settled
            .chain(own)
            .chain(drops)
            .chain(announced)
            .chain([due, signer.not_after()])
            .filter(|at| *at > now)
            .fold(now.after(self.lives.recheck()), UnixMillis::min)
    }
}

/// Nothing can be signed any more: there is nothing to wait for.
fn signer_over(record: &Record, now: UnixMillis) -> Option<Step> {
    if !record.signer.certificate().is_over(now) {
        return None;
    }
    let next = record.next.as_ref().map(|next| next.authority.certificate());
    Some(if next.is_some_and(|next| !next.is_over(now)) {
        Step::Write {
            record: record.promoted(now),
            why: "the life of the authority is over; its successor signs".to_owned(),
        }
    } else {
        Step::Mint(Vacancy::Signer(record.clone()))
    })
}

#[cfg(test)]
mod tests;
