//! Who owns a key: by the map, or by a hash over the members.
//!
//! Tables over members are made once per picture: a ring of a thousand members takes some milliseconds.

use std::sync::{Arc, Mutex, PoisonError};

use cairn_core::coordination::lookup::{
    self, Algorithm, KeyError, Multiprobe, Operation, Rendezvous, Ring, shard_of,
};
use cairn_core::coordination::map::Shard;
use cairn_core::coordination::picture::Picture;
use thiserror::Error;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// The key.
    pub key: &'q [u8],
    /// How many members.
    pub n: usize,
    /// What for.
    pub operation: Operation,
    /// How.
    pub algorithm: Algorithm,
}

/// The owners of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// UIDs, best first.
    pub owners: Vec<String>,
    /// By the map: the shard, and the revision of its fence.
    pub shard: Option<(Shard, i64)>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// The group has no map.
    #[error(
        "the group has no map yet; it comes with the first participant that coordinates shards"
    )]
    NoMap,
    /// The shard is free.
    #[error("shard {0} has no owner now; try again")]
    Free(Shard),
    /// Not so many members.
    #[error(
        "{found} members can be asked, fewer than {asked}; try again later, or with a smaller n"
    )]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many were asked for.
        asked: usize,
    },
    /// A shard has one owner.
    #[error("a shard has one owner; ask with n=1, or with algo=ring, rendezvous or multiprobe")]
    OneOwner,
    /// The key is not valid for the map's hash.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Answers questions.
#[derive(Clone, Debug, Default)]
pub struct Lookup(Arc<Mutex<Vec<Table>>>);

/// The members of one picture, prepared for one algorithm.
#[derive(Debug)]
struct Table {
    picture: Arc<Picture>,
    operation: Operation,
    uids: Vec<String>,
    by: By,
}

#[derive(Debug)]
enum By {
    Ring(Ring),
    Rendezvous(Rendezvous),
    Multiprobe(Multiprobe),
}

// === impl Lookup ===

impl Lookup {
    /// The owners of a key in a picture.
    pub fn find(
        &self,
        picture: &Arc<Picture>,
        question: Question<'_>,
    ) -> Result<Found, LookupError> {
        let Question { key, n, operation, algorithm } = question;
        if algorithm == Algorithm::Map {
            return if n > 1 { Err(LookupError::OneOwner) } else { by_map(picture, key) };
        }
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|table| Arc::ptr_eq(&table.picture, picture));
        let prepared = |table: &Table| table.operation == operation && table.by.is(algorithm);
        let at = tables.iter().position(prepared).unwrap_or_else(|| {
            tables.push(Table::new(picture, operation, algorithm));
            tables.len() - 1
        });
        let owners = tables.get(at).map(|table| table.owners(key, n)).unwrap_or_default();
        if owners.len() < n {
            return Err(LookupError::TooFew { found: owners.len(), asked: n });
        }
        Ok(Found { owners, shard: None })
    }
}

// === impl Table ===

impl Table {
    fn new(picture: &Arc<Picture>, operation: Operation, algorithm: Algorithm) -> Self {
        let serving = || lookup::serving(&picture.members, operation);
        let identities = serving().map(|(_, identity)| identity);
        let by = match algorithm {
            Algorithm::Ring => By::Ring(Ring::new(identities)),
            Algorithm::Map | Algorithm::Rendezvous => By::Rendezvous(Rendezvous::new(identities)),
            Algorithm::Multiprobe => By::Multiprobe(Multiprobe::new(identities)),
        };
        let uids = serving().map(|(uid, _)| uid.to_owned()).collect();
        Self { picture: Arc::clone(picture), operation, uids, by }
    }

    fn owners(&self, key: &[u8], n: usize) -> Vec<String> {
        let found = match &self.by {
            By::Ring(ring) => ring.owners(key, n),
            By::Rendezvous(rendezvous) => rendezvous.owners(key, n),
            By::Multiprobe(multiprobe) => multiprobe.owners(key, n),
        };
        found.into_iter().filter_map(|member| self.uids.get(member).cloned()).collect()
    }
}

// === impl By ===

impl By {
    fn is(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Ring(_) => algorithm == Algorithm::Ring,
            Self::Rendezvous(_) => algorithm == Algorithm::Rendezvous,
            Self::Multiprobe(_) => algorithm == Algorithm::Multiprobe,
        }
    }
}

fn by_map(picture: &Picture, key: &[u8]) -> Result<Found, LookupError> {
    let map = picture.map.as_ref().ok_or(LookupError::NoMap)?;
    let shard = shard_of(&map.value, key)?;
    let granted = picture.shards.get(&shard).ok_or(LookupError::Free(shard))?;
    Ok(Found { owners: vec![granted.grant.uid.clone()], shard: Some((shard, granted.revision)) })
}
