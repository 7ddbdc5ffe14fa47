//! Requests and limits of our container: the defaults, changed by the operator and by the pod's annotation.

use cairn_core::request::resources::{Quantity, Resource, Resources};

use super::Sidecar;
use crate::admission::api_types::{self, Quantities};
use crate::admission::qos::Qos;

/// Enough for one thread that mostly sleeps.
const CPU_REQUEST: &str = "10m";
/// The CPU limit where the pod needs one. With a lower one, throttling delays renewals.
const CPU_LIMIT: &str = "50m";
/// The sidecar takes 5 MB; the rest is for the probe and the memory volume.
const MEMORY_REQUEST: &str = "16Mi";
/// Enough for a burst of API clients.
const MEMORY_LIMIT: &str = "32Mi";
/// The same with coordination: the largest group, its files in the memory volume, and answers that are being written.
const COORDINATING_MEMORY_LIMIT: &str = "64Mi";

/// `resources` of our container; none if the pod has pod-level resources, which ours could exceed.
pub(super) fn of(sidecar: &Sidecar<'_>) -> Option<api_types::Resources> {
    let own = &sidecar.request.resources;
    if sidecar.qos == Qos::PodLevel && own.is_empty() {
        return None;
    }
    let guaranteed = sidecar.qos == Qos::Guaranteed;
    let coordinates = sidecar.membership.is_some();
    let usual = operators(&sidecar.settings.container.resources, guaranteed, coordinates);
    let most = if coordinates { COORDINATING_MEMORY_LIMIT } else { MEMORY_LIMIT };
    let (cpu, memory) = if guaranteed { (CPU_LIMIT, most) } else { (CPU_REQUEST, MEMORY_REQUEST) };
    let mut requests = quantities(&[(Resource::Cpu, cpu), (Resource::Memory, memory)]);
    let mut limits = quantities(&[(Resource::Memory, most)]);
    // Where all others have a limit, a quota for limits.cpu may refuse a pod in which one has none.
    if guaranteed || sidecar.cpu_limited {
        limits.extend(quantities(&[(Resource::Cpu, CPU_LIMIT)]));
    }
    for given in [&usual, own] {
        requests.extend(given.requests.clone());
        limits.extend(given.limits.clone());
        agree(given, &mut requests, &mut limits);
    }
    Some(api_types::Resources { requests, limits })
}

/// What the operator set, for this pod. A Guaranteed pod stays one: its requests are its limits.
fn operators(set: &Resources, guaranteed: bool, coordinates: bool) -> Resources {
    let mut usual = set.clone();
    // The operator's limit is meant for sidecars that only claim.
    if let (true, Some(limit)) = (coordinates, usual.limits.get_mut(&Resource::Memory)) {
        let least = Quantity::parse(COORDINATING_MEMORY_LIMIT);
        *limit = limit.clone().max(least.unwrap_or_else(|| limit.clone()));
    }
    if guaranteed {
        let mut both = usual.requests;
        both.extend(usual.limits);
        usual = Resources { requests: both.clone(), limits: both };
    }
    usual
}

/// Where only one of the two was given and contradicts the other, the other follows it.
fn agree(given: &Resources, requests: &mut Quantities, limits: &mut Quantities) {
    for (resource, limit) in limits {
        match requests.get_mut(resource) {
            Some(request) if *request > *limit => {
                if given.requests.contains_key(resource) {
                    *limit = request.clone();
                } else {
                    *request = limit.clone();
                }
            }
            _ => {}
        }
    }
}

fn quantities(pairs: &[(Resource, &str)]) -> Quantities {
    pairs.iter().filter_map(|(resource, text)| Some((*resource, Quantity::parse(text)?))).collect()
}
