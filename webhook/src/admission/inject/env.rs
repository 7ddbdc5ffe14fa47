//! How variables get into the containers of one pod.

use std::sync::Arc;

use cairn_core::contract::flag;
use cairn_core::request::{EnvChoice, Request};

use super::super::refusal::Refusal;
use super::super::view::{Container, Pod, Spec};
use super::apps;
use crate::nodes::Known;
use crate::nodes::placement::may_run;

/// How variables get into app containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvMode {
    /// `fileKeyRef` on the env file.
    File,
    /// `fieldRef` on the claim annotations.
    Annotation,
    /// Not at all.
    None,
}

/// How variables can get into app containers in this cluster.
#[derive(Clone, Debug)]
pub struct EnvFacts {
    /// What `auto` means, when the operator decided it; otherwise the best that works.
    pub default: Option<EnvMode>,
    /// Whether `fileKeyRef` works.
    pub files: FileSupport,
}

/// Whether `fileKeyRef` works in this cluster.
#[derive(Clone, Debug)]
pub enum FileSupport {
    /// The operator says that it does.
    Assumed,
    /// The API server does not accept it, or was not asked yet.
    Refused,
    /// The API server accepts it; it works on nodes with a kubelet that is new enough.
    ByNode(Arc<Known>),
}

/// The mode of a pod. One that was injected keeps the mode it was injected with: half of its parts
/// have it already.
pub(super) fn mode(
    request: &Request,
    ours: Option<&Container<'_>>,
    pod: &Pod<'_>,
    facts: &EnvFacts,
) -> Result<EnvMode, Refusal> {
    let gate_file = |container: &Container<'_>| {
        container.args.iter().any(|arg| arg.starts_with(flag::GATE_FILE))
    };
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
    /// Whether variables from files work for this pod; the refusal is for pods that insist.
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
