//! Which pods carry which name as an annotation, so that a name is taken off one pod before it is put on the next.
//!
//! Pure: fed with the annotations as the API server has them.

use std::collections::{BTreeSet, HashMap};

use cairn_core::identity::ClaimField;
use cairn_core::pool::PoolName;

use super::claims::PodId;
use super::desired::Shown;

/// All carriers, by pool and name.
#[derive(Debug, Default)]
pub struct Carriers(HashMap<(PoolName, String), BTreeSet<PodId>>);

// === impl Carriers ===

impl Carriers {
    /// The pod carries what this shows.
    pub fn add(&mut self, pod: &PodId, shown: &Shown) {
        for name in names(shown) {
            self.0.entry(name).or_default().insert(pod.clone());
        }
    }

    /// It does not any more.
    pub fn remove(&mut self, pod: &PodId, shown: &Shown) {
        for name in names(shown) {
            if let Some(pods) = self.0.get_mut(&name) {
                pods.remove(pod);
                if pods.is_empty() {
                    self.0.remove(&name);
                }
            }
        }
    }

    /// The pods other than this one that carry a name of a pool, wherever that name is unique.
    pub fn others<'a>(
        &'a self,
        pod: &'a PodId,
        pool: &PoolName,
        name: &str,
    ) -> impl Iterator<Item = &'a PodId> {
        let pods = self.0.get(&(pool.clone(), name.to_owned()));
        pods.into_iter().flatten().filter(move |other| *other != pod)
    }
}

fn names(shown: &Shown) -> impl Iterator<Item = (PoolName, String)> {
    shown.results.iter().filter_map(|(key, value)| match ClaimField::of_annotation(key)? {
        (pool, ClaimField::Name) => Some((pool, value.clone())),
        _ => None,
    })
}
