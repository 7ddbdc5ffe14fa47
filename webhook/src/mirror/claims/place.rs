//! What a waiting pod waits for: who is before it, and whether any name is free.

use cairn_core::keys::ClaimPath;

use super::Claims;
use super::census::taken;
use crate::mirror::path_keys::PathKeys;
use crate::mirror::pod::PodId;

/// The place of a waiting pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// How many pods have an earlier ticket; `None` without a ticket of its own.
    pub before: Option<usize>,
    /// Whether no name is free.
    pub exhausted: bool,
}

/// What all pods that wait at one path have in common.
#[derive(Debug)]
pub(super) struct Wait {
    /// Whether no name is free.
    exhausted: bool,
    /// The create revisions of all tickets, in order.
    arrivals: Vec<i64>,
}

// === impl Claims ===

impl Claims {
    /// The place of a pod on a path. Sidecars compute the effective rank; this is the order of arrival, for people.
    pub fn place(&self, pod: &PodId, path: &ClaimPath) -> Place {
        let Some(keys) = self.paths.get(path) else { return Place::default() };
        let mut waits = self.waits.borrow_mut();
        // All pods that wait there ask, so this is kept until a key changes.
        if !waits.contains_key(path) {
            waits.insert(path.clone(), self.wait(path, keys));
        }
        let Some(wait) = waits.get(path) else { return Place::default() };
        let own = keys.tickets.get(&pod.uid);
        let before = own.map(|own| wait.arrivals.partition_point(|other| other < own));
        Place { before, exhausted: wait.exhausted }
    }

    fn wait(&self, path: &ClaimPath, keys: &PathKeys) -> Wait {
        let names = self.pool(&path.pool).map(|pool| &pool.names);
        let exhausted = names.is_some_and(|names| taken(keys, names) >= names.len());
        let mut arrivals: Vec<i64> = keys.tickets.values().copied().collect();
        arrivals.sort_unstable();
        Wait { exhausted, arrivals }
    }
}

#[cfg(test)]
mod tests {
    use cairn_store::etcd::Change;

    use super::*;
    use crate::mirror::testing::{claims, key};

    #[test]
    fn a_waiting_pod_is_behind_those_that_came_earlier_and_the_pool_is_exhausted_when_all_names_are_taken()
     {
        let below = |rest: &str| format!("/cairn/v1/ns/shop/c/teas/-/{rest}");
        let spec = |names: &str| format!(r#"{{"names":{{"list":[{names}]}}}}"#);
        let mut keys = vec![
            key("/cairn/v1/pools/teas", &spec(r#""mint","assam""#), 1),
            key(&below("x/mint"), "", 3),
            key(&below("d/assam"), "5", 4),
            key(&below("q/u3"), "{}", 9),
            key(&below("q/u1"), "{}", 7),
            key(&below("q/u2"), "{}", 8),
        ];
        let place = |claims: &Claims, uid: &str| {
            let path = claims.path(&"teas".parse().unwrap(), "shop", None).unwrap();
            claims.place(&PodId { namespace: "shop".into(), uid: uid.into() }, &path)
        };
        let mut known = claims(&keys);
        assert_eq!(place(&known, "u3"), Place { before: Some(2), exhausted: true });
        assert_eq!(place(&known, "u1"), Place { before: Some(0), exhausted: true });
        known.apply(&[Change::Delete(below("q/u1"))]);
        assert_eq!(place(&known, "u3"), Place { before: Some(1), exhausted: true });
        assert_eq!(place(&known, "u1"), Place { before: None, exhausted: true });
        keys[0] = key("/cairn/v1/pools/teas", &spec(r#""mint","assam","sencha""#), 1);
        assert_eq!(place(&claims(&keys), "u9"), Place { before: None, exhausted: false });
    }

    #[test]
    fn a_name_that_was_released_meanwhile_is_free() {
        let quarantine = "/cairn/v1/ns/shop/c/teas/-/x/mint";
        let spec = r#"{"names":{"list":["mint"]}}"#;
        let mut claims = claims(&[key("/cairn/v1/pools/teas", spec, 1), key(quarantine, "", 2)]);
        let path = claims.path(&"teas".parse().unwrap(), "shop", None).unwrap();
        let pod = PodId { namespace: "shop".into(), uid: "u1".into() };
        assert!(claims.place(&pod, &path).exhausted);
        claims.apply(&[Change::Delete(quarantine.into())]);
        assert!(!claims.place(&pod, &path).exhausted);
    }
}
