//! The quality of service of a pod, which our container must not change.

use cairn_core::contract::pod::CONTAINER;
use cairn_core::request::resources::Quantity;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::view::{Container, Spec};

/// What the quality of service requires of our container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    /// Nothing: the pod is `Burstable` or `BestEffort`.
    Ordinary,
    /// Every container has equal requests and limits; ours must have them too.
    Guaranteed,
    /// The pod has pod-level resources, which our requests could exceed.
    PodLevel,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    requests: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    limits: Option<serde_json::Map<String, Value>>,
}

/// The quality of service of the pod without our container.
pub(super) fn of(spec: &Spec<'_>, inits: &[Container<'_>]) -> Qos {
    if spec.resources.and_then(read).is_some_and(|r| r.limits.is_some() || r.requests.is_some()) {
        return Qos::PodLevel;
    }
    if all_others(spec, inits, is_guaranteed) { Qos::Guaranteed } else { Qos::Ordinary }
}

/// Whether every container but ours has a limit for CPU.
pub(super) fn is_cpu_limited(spec: &Spec<'_>, inits: &[Container<'_>]) -> bool {
    all_others(spec, inits, |resources| {
        resources.limits.is_some_and(|limits| limits.contains_key("cpu"))
    })
}

/// Whether every container but ours has resources that are like this.
fn all_others(
    spec: &Spec<'_>,
    inits: &[Container<'_>],
    are_like: impl Fn(Resources) -> bool,
) -> bool {
    let others = inits.iter().filter(|container| *container.name != *CONTAINER);
    let mut others = others.chain(&spec.containers);
    !spec.containers.is_empty()
        && others.all(|container| container.resources.and_then(read).is_some_and(&are_like))
}

fn read(raw: &RawValue) -> Option<Resources> {
    serde_json::from_str(raw.get()).ok()
}

#[expect(clippy::needless_pass_by_value, reason = "fits Option::is_some_and")]
fn is_guaranteed(resources: Resources) -> bool {
    ["cpu", "memory"].into_iter().all(|resource| {
        let find = |map: &Option<serde_json::Map<String, Value>>| {
            let text = map.as_ref()?.get(resource)?;
            Quantity::parse(text.as_str()?)
        };
        match (find(&resources.requests), find(&resources.limits)) {
            // The API server sets an absent request to the limit.
            (None, Some(_)) => true,
            (Some(request), Some(limit)) => request == limit,
            (_, None) => false,
        }
    })
}
