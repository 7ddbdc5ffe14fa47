//! Decides how variables get into the containers of one pod.

use cairn_core::contract::flag;
use cairn_core::request::{EnvChoice, Request};

use super::apps;
use crate::admission::refusal::Refusal;
use crate::env_mode::{EnvFacts, EnvMode, FileSupport};
use crate::nodes::OldNode;
use crate::nodes::kubelet::runs_sidecars;
use crate::nodes::placement::may_run;
use crate::view::{Container, Pod, Spec};

/// The mode of a pod. An injected pod keeps its mode, because its other parts depend on it.
pub(super) fn mode(
    request: &Request,
    ours: Option<&Container<'_>>,
    pod: &Pod<'_>,
    facts: &EnvFacts,
) -> Result<EnvMode, Refusal> {
    let gate_file = |container: &Container<'_>| {
        container.args.iter().any(|arg| arg.starts_with(flag::GATE_FILE))
    };
    if request.pools.is_empty() {
        return Ok(EnvMode::None);
    }
    match request.env {
        EnvChoice::None => Ok(EnvMode::None),
        EnvChoice::Annotation => Ok(EnvMode::Annotation),
        EnvChoice::File => facts.files.check(&pod.spec).map(|()| EnvMode::File),
        EnvChoice::Auto if ours.is_some_and(gate_file) => Ok(EnvMode::Annotation),
        EnvChoice::Auto => Ok(match facts.auto(&pod.spec) {
            EnvMode::Annotation if ours.is_some() && apps::take_files(pod) => EnvMode::File,
            mode => mode,
        }),
    }
}

/// A warning if the pod may be placed on a node that does not run native sidecars.
pub(super) fn old_node_warning(spec: &Spec<'_>, facts: &EnvFacts) -> Option<String> {
    let old = |node: &&OldNode| !runs_sidecars(&node.version) && may_run(spec, node);
    facts.nodes.old.iter().find(old).map(|node| {
        format!(
            "this pod may be placed on node '{}', which has {} and runs no native sidecars, so it would not start \
             there; keep it off nodes older than v1.29 with a nodeSelector or an affinity",
            node.name, node.version
        )
    })
}

// === impl EnvFacts ===

impl EnvFacts {
    fn auto(&self, spec: &Spec<'_>) -> EnvMode {
        let best = || match self.files.check(spec) {
            Ok(()) => EnvMode::File,
            Err(_) => EnvMode::Annotation,
        };
        self.default.unwrap_or_else(best)
    }
}

// === impl FileSupport ===

impl FileSupport {
    /// Whether variables from files work for this pod. The error is the refusal of a pod that requires them.
    fn check(&self, spec: &Spec<'_>) -> Result<(), Refusal> {
        let nodes = match self {
            Self::Assumed => return Ok(()),
            Self::Refused => return Err(Refusal::EnvFile),
            Self::ByNode(nodes) => nodes,
        };
        match nodes.old.iter().find(|node| may_run(spec, node)) {
            Some(node) => Err(Refusal::EnvFileOldNode {
                node: node.name.clone(),
                version: node.version.clone(),
            }),
            None if nodes.any => Ok(()),
            None => Err(Refusal::EnvFile),
        }
    }
}
