//! Where the pods of a manifest are, by its kind.

use serde_json::Value;

/// The position of the pod template in a kind.
pub struct Layout {
    /// The fields that lead to the pod template.
    pub template: &'static [&'static str],
    /// The objects around it, on which users put annotations by mistake.
    pub around: &'static [&'static [&'static str]],
}

/// The value at a path; `None` when there is none.
pub fn at<'v>(object: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(object, |value, field| value.get(field))
}

// === impl Layout ===

impl Layout {
    /// Where a kind has it; `None` for kinds without pods.
    pub fn of(kind: &str, object: &Value) -> Option<Self> {
        const TEMPLATE: Layout = Layout { template: &["spec", "template"], around: &[&[]] };
        match kind {
            "Pod" => Some(Self { template: &[], around: &[] }),
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => Some(TEMPLATE),
            "CronJob" => Some(Self {
                template: &["spec", "jobTemplate", "spec", "template"],
                around: &[&[], &["spec", "jobTemplate"]],
            }),
            // Other kinds with the usual template, such as Rollouts and ReplicationControllers.
            _ => at(object, &["spec", "template", "spec", "containers"]).map(|_| TEMPLATE),
        }
    }
}
