//! Workloads that run: they are deployed from their manifests, and waited for.

use crate::json;
pub use crate::manifest::{App, IMAGE};
use crate::ns::Namespace;
use crate::pod::Pod;
use crate::wait::{Seen, until};
use crate::{Done, Failure, wait};

impl App {
    /// Deploys it and waits until all its pods are ready.
    pub fn deploy<'a>(&self, ns: &'a Namespace) -> Result<Vec<Pod<'a>>, Failure> {
        ns.apply(&self.deployment().to_string())?;
        rolled_out(ns, &self.name)?;
        pods_of(ns, &self.name, usize::try_from(self.replicas).unwrap_or(0))
    }

    /// Creates it as a bare pod and waits until it is ready.
    pub fn start<'a>(&self, ns: &'a Namespace) -> Result<Pod<'a>, Failure> {
        ns.apply(&self.pod().to_string())?;
        ns.kubectl(&[
            "wait",
            "--for=condition=Ready",
            &format!("pod/{}", self.name),
            "--timeout=90s",
        ])?;
        Ok(Pod::named(ns, &self.name))
    }
}

/// Waits until the rollout of a Deployment is complete.
pub fn rolled_out(ns: &Namespace, deployment: &str) -> Done {
    ns.kubectl(&["rollout", "status", &format!("deployment/{deployment}"), "--timeout=180s"])
        .map(drop)
}

/// The pods of an app, in the order of their names, once there are exactly that many and none of them is being deleted.
pub fn pods_of<'a>(ns: &'a Namespace, app: &str, count: usize) -> Result<Vec<Pod<'a>>, Failure> {
    let selector = format!("app={app}");
    until(&format!("{count} pods of {app}"), wait::secs(60), || {
        let list = ns.get(&["pods", "-l", &selector])?;
        let items = json::list(&list, "/items");
        let staying: Vec<Pod<'a>> = items
            .iter()
            .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
            .map(|pod| Pod::from_object(ns, pod))
            .collect();
        if staying.len() == count && staying.len() == items.len() {
            Ok(Seen::Yes(staying))
        } else {
            Ok(Seen::NotYet(format!("{} staying of {}", staying.len(), items.len())))
        }
    })
}
