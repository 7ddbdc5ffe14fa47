//! The group that a pod belongs to when it does not say: the workload behind its owner reference.
//!
//! Only what is on the pod itself is looked at (admission makes no calls): a Deployment is seen
//! through its ReplicaSet's name and the template hash, a CronJob through its Job's name.

use crate::group::Group;

/// Labels whose value ends the name of a ReplicaSet: the Deployment controller's, and that of Argo
/// Rollouts.
const HASH_LABELS: [&str; 2] = ["pod-template-hash", "rollouts-pod-template-hash"];

/// A CronJob names its Jobs `<cronjob>-<minutes since 1970>`: eight digits until the year 2160.
const MINUTES_DIGITS: usize = 8;

/// The minutes of 2015, before there was any CronJob; keeps dates such as `20261121` out.
const FIRST_MINUTES: u32 = 23_668_560;

/// The controller among a pod's owner references.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// `ReplicaSet`, `Job`, …
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// The group of a pod with this controller; `None` for bare pods and for static pods.
pub fn group<'a>(
    controller: Option<Owner<'a>>,
    label: impl Fn(&str) -> Option<&'a str>,
) -> Option<Group> {
    let owner = controller?;
    let workload = match owner.kind {
        "Node" => return None,
        "ReplicaSet" => HASH_LABELS
            .into_iter()
            .find_map(|key| without_suffix(owner.name, label(key)?))
            .unwrap_or(owner.name),
        "Job" => without_minutes(owner.name),
        _ => owner.name,
    };
    workload.parse().ok()
}

fn without_suffix<'a>(name: &'a str, hash: &str) -> Option<&'a str> {
    let stem = name.strip_suffix(hash)?.strip_suffix('-')?;
    (!stem.is_empty()).then_some(stem)
}

fn without_minutes(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((stem, digits))
            if !stem.is_empty()
                && digits.len() == MINUTES_DIGITS
                && digits.bytes().all(|digit| digit.is_ascii_digit())
                && digits.parse().is_ok_and(|minutes: u32| minutes >= FIRST_MINUTES) =>
        {
            stem
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, name: &str, labels: &[(&str, &'static str)]) -> Option<String> {
        let label =
            |key: &str| labels.iter().find_map(|(known, value)| (*known == key).then_some(*value));
        group(Some(Owner { kind, name }), label).map(|group| group.to_string())
    }

    #[test]
    fn a_deployment_is_seen_through_its_replica_set() {
        let hash = [("pod-template-hash", "5d4f")];
        assert_eq!(of("ReplicaSet", "checkout-5d4f", &hash).as_deref(), Some("checkout"));
        let rollout = [("rollouts-pod-template-hash", "77")];
        assert_eq!(of("ReplicaSet", "cart-77", &rollout).as_deref(), Some("cart"));
        assert_eq!(of("ReplicaSet", "by-hand", &[]).as_deref(), Some("by-hand"));
        assert_eq!(
            of("ReplicaSet", "other", &hash).as_deref(),
            Some("other"),
            "a hash that is not in the name takes nothing away"
        );
    }

    #[test]
    fn a_cron_job_is_seen_through_its_job_and_a_dated_job_is_not_one() {
        assert_eq!(of("Job", "nightly-29920140", &[]).as_deref(), Some("nightly"));
        for job in ["import-2", "report-20161121", "29920140", "a-299201400"] {
            assert_eq!(of("Job", job, &[]).as_deref(), Some(job));
        }
    }

    #[test]
    fn other_controllers_give_their_own_name_and_bare_pods_none() {
        for kind in ["StatefulSet", "DaemonSet", "ReplicationController", "CloneSet"] {
            assert_eq!(of(kind, "db-0", &[]).as_deref(), Some("db-0"));
        }
        assert_eq!(of("Node", "node-1", &[]), None);
        assert_eq!(group(None, |_| None), None);
    }
}
