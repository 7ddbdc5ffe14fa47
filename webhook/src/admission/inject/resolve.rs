//! Resolves the requested pools, which must exist and allow the namespace, and the group.

use std::sync::Arc;

use cairn_core::group::Group;
use cairn_core::pool::{Pool, PoolName, Scope};
use cairn_core::request::{Request, owner};
use cairn_core::suggest;

use super::Facts;
use crate::admission::refusal::Refusal;
use crate::pools::catalog::{Catalog, CatalogEntry};
use crate::selector;
use crate::view::Metadata;

/// A refusal lists at most this many pools.
const LISTED_POOLS: usize = 10;

/// The pools of a request, in its order.
pub(super) fn pools(request: &Request, facts: &Facts<'_>) -> Result<Vec<Arc<Pool>>, Refusal> {
    request.pools.iter().map(|name| pool(name, facts)).collect()
}

/// The group of a pod: its annotation, otherwise its workload.
pub(super) fn group(
    request: &Request,
    pools: &[Arc<Pool>],
    metadata: &Metadata<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Group>, Refusal> {
    let coordinates = request.coordination.is_some();
    let cluster_only = !coordinates && pools.iter().all(|pool| pool.spec.scope == Scope::Cluster);
    match (&request.group, pools.first()) {
        (Some(group), Some(first)) if cluster_only => {
            Err(Refusal::GroupOnCluster { group: group.clone(), pool: first.name.clone() })
        }
        (Some(group), _) => Ok(Some(group.clone())),
        (None, _) => {
            let derived = owner::group(
                metadata.controller(),
                |key| metadata.labels.get(key).map(|value| &**value),
                |key| metadata.annotations.get(key).map(|value| &**value),
            );
            if !cluster_only {
                warnings.extend(derived.warning());
            }
            match derived.group {
                None if coordinates => Err(Refusal::NoGroup),
                group => Ok(group),
            }
        }
    }
}

fn pool(name: &PoolName, facts: &Facts<'_>) -> Result<Arc<Pool>, Refusal> {
    let pool = match facts.catalog.get(name) {
        Some(CatalogEntry::Ready(pool)) => Arc::clone(pool),
        Some(CatalogEntry::Broken(reason)) => {
            return Err(Refusal::BrokenPool { name: name.clone(), reason: reason.clone() });
        }
        Some(CatalogEntry::Refused(reason)) => {
            return Err(Refusal::RefusedPool { name: name.clone(), reason: reason.clone() });
        }
        Some(CatalogEntry::Leaving) => return Err(Refusal::LeavingPool { name: name.clone() }),
        None => {
            return Err(Refusal::UnknownPool {
                name: name.clone(),
                advice: advice(name, facts.catalog),
            });
        }
    };
    let namespace = (facts.namespace, &facts.namespace_facts.labels);
    if !selector::matches(&pool.spec.allowed_namespaces, namespace.0, namespace.1) {
        return Err(Refusal::NotAllowed {
            pool: name.clone(),
            namespace: facts.namespace.to_owned(),
        });
    }
    Ok(pool)
}

fn advice(name: &PoolName, catalog: &Catalog) -> String {
    let known: Vec<&str> = catalog.names().collect();
    match suggest::nearest(name.as_str(), known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if known.is_empty() => "create it as a Pool first".to_owned(),
        None if known.len() > LISTED_POOLS => {
            "choose one of those that kubectl get pools shows".to_owned()
        }
        None => format!("use one of {}, or create it as a Pool", known.join(", ")),
    }
}
