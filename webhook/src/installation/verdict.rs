//! The verdict: whether Kubernetes cluster and etcd belong to this installation. Pure.

use cairn_store::ClusterId;
use cairn_store::installation::Ownership;

use super::crd::{ANNOTATION, CRD, Release};
use super::identity::Identity;

/// Whether Kubernetes cluster and etcd belong to this installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Neither has answered yet.
    #[default]
    Unknown,
    /// The CRD names this release; etcd has not answered yet.
    Open,
    /// Ours, with this etcd cluster.
    Ours(ClusterId),
    /// They belong to another installation; the message names it and says what to do.
    NotOurs(String),
}

// === impl Verdict ===

impl Verdict {
    /// Whether this installation may write to etcd.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(_))
    }

    /// Whether this installation may write to Kubernetes.
    pub fn is_first_release(&self) -> bool {
        matches!(self, Self::Open | Self::Ours(_))
    }
}

/// Decides from the records in Kubernetes and etcd.
pub fn judge(
    ours: &Identity,
    release: &Release,
    ownership: Option<&Ownership>,
    prefix: &str,
) -> Verdict {
    if let Release::Other(other) = release {
        return Verdict::NotOurs(format!(
            "Cairn is installed in this Kubernetes cluster already, as {other}; uninstall this one \
             ({}/{}). If the other is gone for good: kubectl annotate crd {CRD} {ANNOTATION}-",
            ours.namespace, ours.release
        ));
    }
    match ownership {
        None => Verdict::Open,
        Some(Ownership::Ours(record)) => Verdict::Ours(record.etcd_cluster_id),
        Some(Ownership::OtherInstallation { theirs, .. }) => {
            Verdict::NotOurs(other_installation(ours, theirs, prefix))
        }
        Some(Ownership::OtherCluster { recorded, actual }) => Verdict::NotOurs(format!(
            "the data in etcd cluster {actual} were written in cluster {recorded}: they were restored \
             or copied; run `cairn admin restored` to accept that"
        )),
    }
}

fn other_installation(ours: &Identity, theirs: &str, prefix: &str) -> String {
    let who = match theirs.parse::<Identity>() {
        Ok(other) if other.kubernetes == ours.kubernetes => {
            format!("release {} in namespace {}", other.release, other.namespace)
        }
        Ok(other) => format!(
            "release {} in namespace {} of another Kubernetes cluster (kube-system has UID {})",
            other.release, other.namespace, other.kubernetes
        ),
        Err(_) => theirs.to_owned(),
    };
    format!(
        "the keys below {prefix} in this etcd belong to another installation of Cairn: {who}; give this \
         one a prefix of its own with --set etcd.keyPrefix=/cairn/NAME/. If the other is gone for good: \
         etcdctl del {prefix}installation"
    )
}

#[cfg(test)]
mod tests {
    use cairn_store::installation::Installation;

    use super::*;

    fn identity(kubernetes: &str) -> Identity {
        format!("{kubernetes}/cairn-system/cairn-webhook").parse().unwrap()
    }

    fn judged(release: &Release, ownership: Option<&Ownership>) -> Verdict {
        judge(&identity("u1"), release, ownership, "/cairn/v1/")
    }

    #[test]
    fn without_an_answer_of_etcd_the_question_is_open() {
        assert_eq!(judged(&Release::Ours, None), Verdict::Open);
    }

    #[test]
    fn an_installation_is_ours_when_kubernetes_and_etcd_say_so() {
        let record = Installation {
            installation_id: Some(identity("u1").to_string()),
            etcd_cluster_id: ClusterId::new(7),
            replaced_cluster_ids: Vec::new(),
        };
        let verdict = judged(&Release::Ours, Some(&Ownership::Ours(record.clone())));
        assert_eq!(verdict, Verdict::Ours(ClusterId::new(7)));
        let other = Release::Other("a/b".to_owned());
        assert!(!judged(&other, Some(&Ownership::Ours(record))).is_ours());
    }

    #[test]
    fn the_verdict_about_a_second_kubernetes_cluster_on_one_etcd_says_what_to_set() {
        let theirs = identity("u2").to_string();
        let ours = identity("u1").to_string();
        let found = Ownership::OtherInstallation { ours, theirs };
        assert_eq!(
            judged(&Release::Ours, Some(&found)),
            Verdict::NotOurs(
                "the keys below /cairn/v1/ in this etcd belong to another installation of Cairn: release \
                 cairn-webhook in namespace cairn-system of another Kubernetes cluster (kube-system has \
                 UID u2); give this one a prefix of its own with --set etcd.keyPrefix=/cairn/NAME/. If the \
                 other is gone for good: etcdctl del /cairn/v1/installation"
                    .to_owned()
            )
        );
    }

    #[test]
    fn the_verdict_about_a_second_release_names_the_first() {
        let Verdict::NotOurs(message) = judged(&Release::Other("first/cairn".to_owned()), None)
        else {
            panic!("a second release is taken for the first");
        };
        assert!(
            message.starts_with(
                "Cairn is installed in this Kubernetes cluster already, as first/cairn;"
            )
        );
        assert!(message.ends_with("kubectl annotate crd pools.cairn.dev cairn.dev/installation-"));
    }
}
