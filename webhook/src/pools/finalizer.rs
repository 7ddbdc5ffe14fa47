//! The finalizer on `Pool` objects: added before a pool's spec is written to etcd, removed once nothing of the pool is
//! in use.
//!
//! Invariant: a write carries the resource version that it was decided on, and keeps the finalizers of others.

use kube::api::{Patch, PatchParams};
use kube::{Api, Error};
use serde_json::{Value, json};

use super::resource::{FINALIZER, PoolObject};
use super::watched::Watched;

/// A change of the finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Add it to the object.
    Add,
    /// Remove it, so that the object can be deleted.
    Remove,
}

/// Changes the finalizers of one object. A conflict or a deleted object is no error: the watch brings the new state.
pub async fn change(
    pools: &Api<PoolObject>,
    name: &str,
    watched: &Watched,
    change: Change,
) -> Result<(), Error> {
    let patch = Patch::Merge(patch(watched, change));
    match pools.patch(name, &PatchParams::default(), &patch).await {
        Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(()),
        answer => answer.map(|_| ()),
    }
}

fn patch(watched: &Watched, change: Change) -> Value {
    let others = watched.finalizers.iter().map(String::as_str).filter(|name| *name != FINALIZER);
    let ours = (change == Change::Add).then_some(FINALIZER);
    let finalizers: Vec<&str> = others.chain(ours).collect();
    json!({"metadata": {"resourceVersion": watched.resource_version, "finalizers": finalizers}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finalizers_of_others_stay_and_the_version_is_compared() {
        let mut object = PoolObject::new("teas", json!({"names": {"list": ["mint"]}}));
        object.metadata.resource_version = Some("7".into());
        object.metadata.finalizers = Some(vec!["audit.example/keep".into(), FINALIZER.into()]);
        let watched = Watched::from(object);
        let removed =
            json!({"metadata": {"resourceVersion": "7", "finalizers": ["audit.example/keep"]}});
        assert_eq!(patch(&watched, Change::Remove), removed);
        let added = json!({"metadata":
            {"resourceVersion": "7", "finalizers": ["audit.example/keep", FINALIZER]}});
        assert_eq!(patch(&watched, Change::Add), added);
    }
}
