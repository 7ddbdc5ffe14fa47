//! Which pods carry a name as an annotation. A name is removed from one pod before it is written to the next.
//!
//! Pure: takes the annotations that the API server has.

use std::collections::HashMap;

use cairn_core::identity::ClaimField;
use cairn_core::pool::PoolName;

use super::pod::{PodAnnotations, PodId};

/// All carriers, by pool and name. Nearly always there is one, so they are a list: a set has room for eleven at once.
#[derive(Debug, Default)]
pub struct Carriers(HashMap<(PoolName, String), Vec<PodId>>);

// === impl Carriers ===

impl Carriers {
    /// Adds what a pod carries.
    pub fn add(&mut self, pod: &PodId, shown: &PodAnnotations) {
        for name in names(shown) {
            let pods = self.0.entry(name).or_insert_with(|| Vec::with_capacity(1));
            if !pods.contains(pod) {
                pods.push(pod.clone());
            }
        }
    }

    /// Removes what a pod carried.
    pub fn remove(&mut self, pod: &PodId, shown: &PodAnnotations) {
        for name in names(shown) {
            if let Some(pods) = self.0.get_mut(&name) {
                pods.retain(|other| other != pod);
                if pods.is_empty() {
                    self.0.remove(&name);
                }
            }
        }
    }

    /// The other pods that carry this name of the pool, in all scopes.
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

fn names(shown: &PodAnnotations) -> impl Iterator<Item = (PoolName, String)> {
    shown.results.iter().filter_map(|(key, value)| match ClaimField::of_annotation(key)? {
        (pool, ClaimField::Name) => Some((pool, value.to_owned())),
        _ => None,
    })
}
