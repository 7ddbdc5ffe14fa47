//! The form of a [`Record`] in a Secret, and what a Secret may hold instead.

use std::collections::BTreeMap;

use cairn_core::time::UnixMillis;
use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};

use super::authority::Authority;
use super::certificate::Certificate;
use super::record::{Next, Record, Retired};

/// The certificates that verify leaves, PEM, the signing one first. Others may read it.
const BUNDLE: &str = "bundle.crt";
/// The signing authority.
const SIGNER: Keys = Keys { certificate: "ca.crt", key: "ca.key" };
/// The announced authority.
const NEXT: Keys = Keys { certificate: "next.crt", key: "next.key" };
/// [`Notes`] as JSON.
const NOTES: &str = "rotation.json";

struct Keys {
    certificate: &'static str,
    key: &'static str,
}

/// The data of a Secret.
pub type Data = BTreeMap<String, ByteString>;

/// What the Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// There is no Secret.
    Missing,
    /// A complete record.
    Whole(Record),
    /// Something else.
    Damaged(Damage),
}

/// A Secret that does not hold a complete record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong.
    pub why: String,
    /// The generation that it names.
    pub generation: u64,
    /// What can be made of it by a replica that knows nothing better.
    pub salvage: Option<Record>,
}

/// What the certificates do not say. Times are in Unix milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published: Option<UnixMillis>,
    #[serde(default)]
    retired: Vec<RetiredNote>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RetiredNote {
    sha256: String,
    since: UnixMillis,
}

// === impl Stored ===

impl Stored {
    /// Reads the data of a Secret that exists. What it holds beyond a record, a salvage retires at `now`.
    pub fn read(data: &Data, now: UnixMillis) -> Self {
        let (notes, readable) = match text(data, NOTES).map(serde_json::from_str::<Notes>) {
            Some(Ok(notes)) => (notes, true),
            Some(Err(_)) | None => (Notes::default(), false),
        };
        let generation = notes.generation;
        let damaged = |why: String, salvage| Self::Damaged(Damage { why, generation, salvage });
        let signer = match SIGNER.authority(data) {
            Ok(signer) => signer,
            Err(why) => return damaged(why, None),
        };
        let next = NEXT.authority(data);
        let announced = data.contains_key(NEXT.certificate) || data.contains_key(NEXT.key);
        let bundle = data.get(BUNDLE).map_or(&[][..], |bytes| bytes.0.as_slice());
        let mut record = Record { generation, ..Record::first(signer, 0) };
        if let Ok(authority) = &next {
            let published = notes.published.unwrap_or(now);
            record.next = Some(Next { authority: authority.clone(), published });
        }
        for certificate in Certificate::all(bundle) {
            let digest = certificate.digest();
            let found = notes.retired.iter().find(|note| note.sha256 == digest);
            let since = found.map_or(now, |note| note.since);
            if !record.trusts(&certificate) {
                record.retired.push(Retired { certificate, since });
            }
        }
        let why = match next {
            _ if !readable => format!("{NOTES} is not readable"),
            Err(why) if announced => why,
            _ if self::data(&record) != *data => {
                format!("{BUNDLE} and {NOTES} do not belong together")
            }
            _ => return Self::Whole(record),
        };
        damaged(why, Some(record))
    }
}

// === impl Keys ===

impl Keys {
    fn authority(&self, data: &Data) -> Result<Authority, String> {
        let Self { certificate, key } = self;
        let missing = |name: &str| format!("{name} is missing");
        let found = text(data, certificate).ok_or_else(|| missing(certificate))?;
        let secret = text(data, key).ok_or_else(|| missing(key))?;
        Authority::read(found, secret).map_err(|error| format!("{certificate}, {key}: {error}"))
    }
}

/// The data of the Secret for a record.
pub fn data(record: &Record) -> Data {
    let notes = Notes {
        generation: record.generation,
        published: record.next.as_ref().map(|next| next.published),
        retired: record
            .retired
            .iter()
            .map(|retired| RetiredNote {
                sha256: retired.certificate.digest(),
                since: retired.since,
            })
            .collect(),
    };
    // A struct of numbers and strings can always be written.
    let notes = serde_json::to_string(&notes).unwrap_or_default();
    let mut data = Data::new();
    let mut put = |key: &str, text: String| {
        data.insert(key.to_owned(), ByteString(text.into_bytes()));
    };
    put(BUNDLE, record.bundle());
    put(NOTES, notes);
    let next = record.next.iter().map(|next| (&NEXT, &next.authority));
    for (keys, authority) in std::iter::once((&SIGNER, &record.signer)).chain(next) {
        put(keys.certificate, authority.certificate().pem());
        put(keys.key, authority.key().to_owned());
    }
    data
}

fn text<'a>(data: &'a Data, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&data.get(key)?.0).ok()
}

#[cfg(test)]
mod tests {
    use super::super::lives::Lives;
    use super::super::mint;
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    fn record() -> Record {
        let [old, new, next] = [(); 3].map(|()| mint::authority(&Lives::default(), NOW).unwrap());
        Record::first(old, 0).introducing(new, NOW).promoted(NOW).introducing(next, NOW)
    }

    fn damage(stored: Stored) -> Damage {
        match stored {
            Stored::Damaged(damage) => damage,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let record = record();
        assert_eq!(Stored::read(&data(&record), NOW), Stored::Whole(record));
    }

    #[test]
    fn a_secret_without_a_pair_that_fits_cannot_be_used() {
        let good = data(&record());
        assert_eq!(damage(Stored::read(&Data::new(), NOW)).why, "ca.crt is missing");
        for (key, value, why) in [
            ("ca.key", "no", "ca.crt, ca.key: the authority's key is not readable"),
            ("ca.crt", "no", "ca.crt, ca.key: the authority's certificate is not readable"),
        ] {
            let mut bad = good.clone();
            bad.insert(key.to_owned(), ByteString(value.into()));
            let damage = damage(Stored::read(&bad, NOW));
            assert_eq!((damage.why.as_str(), damage.generation), (why, 4));
            assert_eq!(damage.salvage, None);
        }
        let mut mixed = good.clone();
        mixed.insert("ca.key".to_owned(), good["next.key"].clone());
        let why = "ca.crt, ca.key: the authority's certificate and key do not belong together";
        assert_eq!(damage(Stored::read(&mixed, NOW)).why, why);
    }

    #[test]
    fn what_does_not_fit_beside_the_signer_is_damage_of_which_the_signer_is_left() {
        let record = record();
        let good = data(&record);
        for key in ["bundle.crt", "rotation.json", "next.key", "next.crt"] {
            let mut bad = good.clone();
            bad.insert(key.to_owned(), ByteString(b"no".to_vec()));
            let salvage = damage(Stored::read(&bad, NOW)).salvage.unwrap();
            assert_eq!(salvage.signer, record.signer, "{key}");
        }
        let mut more = good;
        more.insert("other".to_owned(), ByteString(Vec::new()));
        assert_eq!(damage(Stored::read(&more, NOW)).salvage, Some(record));
    }

    #[test]
    fn the_certificates_of_an_older_layout_stay_trusted() {
        let record = record();
        let old = data(&record)
            .into_iter()
            .filter(|(key, _)| ["ca.crt", "ca.key", "bundle.crt"].contains(&key.as_str()))
            .collect();
        let salvage = damage(Stored::read(&old, NOW)).salvage.unwrap();
        assert!(record.trusted().all(|certificate| salvage.trusts(certificate)));
    }
}
