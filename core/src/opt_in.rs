//! Which pods ask for the sidecar, and which of those run without it.
//!
//! The sidecar can only be added when a pod is created. A pod that asks for it, and was created while the webhook was
//! not asked, never gets it. Not for: whether what a pod asks for is valid, which [`crate::request`] decides.

use std::collections::BTreeMap;

use crate::contract::annotation;

/// A pod with one of these annotations asks for the sidecar.
pub const ASKING: [&str; 2] = [annotation::POOL, annotation::COORDINATE];

/// The label selector of pods without a sidecar, as the API takes it. Annotations cannot be selected.
pub const WITHOUT_SIDECAR: &str = "cairn.dev/injected!=true";

/// The field selector of pods that have not ended.
pub const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// The kubelet's annotation of a pod that it made from a file on its node. No webhook can change such a pod.
const STATIC_POD: &str = "kubernetes.io/config.mirror";

/// The annotation by which a pod without a sidecar asks for one; `None` for every other pod.
pub fn missed(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Option<&'static str> {
    let injected = labels.get(annotation::INJECTED_LABEL).is_some_and(|value| value == "true");
    let asked = ASKING.into_iter().find(|key| annotations.contains_key(*key));
    asked.filter(|_| !injected && !annotations.contains_key(STATIC_POD))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(keys: &[(&str, &str)]) -> BTreeMap<String, String> {
        keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_pod_is_missed_if_it_asks_and_was_not_injected() {
        let pool = map(&[("cairn.dev/pool", "mountains")]);
        let shards = map(&[("cairn.dev/coordinate", "peers")]);
        let none = map(&[]);
        assert_eq!(missed(&none, &pool), Some("cairn.dev/pool"));
        assert_eq!(missed(&none, &shards), Some("cairn.dev/coordinate"));
        assert_eq!(missed(&map(&[("cairn.dev/injected", "true")]), &pool), None);
        assert_eq!(missed(&map(&[("cairn.dev/injected", "false")]), &pool), Some("cairn.dev/pool"));
        assert_eq!(missed(&none, &map(&[("cairn.dev/group", "a")])), None);
        let of_node = map(&[("cairn.dev/pool", "mountains"), ("kubernetes.io/config.mirror", "x")]);
        assert_eq!(missed(&none, &of_node), None);
    }

    #[test]
    fn the_selector_is_that_of_the_label() {
        assert_eq!(WITHOUT_SIDECAR, format!("{}!=true", annotation::INJECTED_LABEL));
    }
}
