//! Whether pools have a name for every pod of a workload, also during a rollout. Pure.

use std::collections::BTreeMap;

use cairn_core::contract::annotation;
use cairn_core::pool::{Pool, PoolName, Scope};
use cairn_core::request::Request;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::count;
use super::finding::Finding;

const ABOUT: &str = "pools";
/// What Kubernetes takes when a Deployment says nothing.
const DEFAULT_SURGE: &str = "25%";

/// A workload that asks for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Such as `Deployment shop/checkout`.
    title: String,
    namespace: String,
    /// The group of its pods, where names are unique within groups.
    group: String,
    pools: Vec<PoolName>,
    replicas: usize,
    /// How many more pods there are during a rollout.
    surge: usize,
}

/// The pods that share the names of a pool.
#[derive(Debug, Default)]
struct Demand<'w> {
    titles: Vec<&'w str>,
    replicas: usize,
    surge: usize,
}

// === impl Workload ===

impl Workload {
    /// A Deployment; `None` when it does not ask for names.
    pub fn deployment(object: &Deployment) -> Option<Self> {
        let spec = object.spec.as_ref()?;
        let replicas = replicas_of(spec.replicas);
        let strategy = spec.strategy.as_ref();
        let recreates = strategy.and_then(|of| of.type_.as_deref()) == Some("Recreate");
        let most = strategy.and_then(|of| of.rolling_update.as_ref()?.max_surge.clone());
        let most = most.unwrap_or_else(|| IntOrString::String(DEFAULT_SURGE.to_owned()));
        let surge = if recreates { 0 } else { share(&most, replicas) };
        let template = spec.template.metadata.as_ref();
        Self::of("Deployment", &object.metadata, template, replicas, surge)
    }

    /// A StatefulSet replaces its pods one by one.
    pub fn stateful_set(object: &StatefulSet) -> Option<Self> {
        let spec = object.spec.as_ref()?;
        let template = spec.template.metadata.as_ref();
        Self::of("StatefulSet", &object.metadata, template, replicas_of(spec.replicas), 0)
    }

    /// A DaemonSet has a pod for each node.
    pub fn daemon_set(object: &DaemonSet) -> Option<Self> {
        let spec = object.spec.as_ref()?;
        let nodes = object.status.as_ref().map(|status| status.desired_number_scheduled);
        let replicas = usize::try_from(nodes.unwrap_or_default()).unwrap_or_default();
        let rolling = spec.update_strategy.as_ref().and_then(|of| of.rolling_update.as_ref());
        let surge = rolling.and_then(|of| of.max_surge.as_ref());
        let surge = surge.map_or(0, |most| share(most, replicas));
        Self::of("DaemonSet", &object.metadata, spec.template.metadata.as_ref(), replicas, surge)
    }

    fn of(
        kind: &str,
        metadata: &ObjectMeta,
        template: Option<&ObjectMeta>,
        replicas: usize,
        surge: usize,
    ) -> Option<Self> {
        let annotations = template?.annotations.as_ref()?;
        let ours = annotations.iter().filter(|(key, _)| key.starts_with(annotation::PREFIX));
        let pairs = ours.map(|(key, value)| (key.as_str(), value.as_str()));
        // One that admission refuses has no pods.
        let request = Request::parse(pairs, std::iter::empty()).ok()??;
        let (name, namespace) = (metadata.name.clone()?, metadata.namespace.clone()?);
        let group = request.group.as_ref().map(|group| group.as_str().to_owned());
        Some(Self {
            title: format!("{kind} {namespace}/{name}"),
            group: group.unwrap_or(name),
            namespace,
            pools: request.pools,
            replicas,
            surge,
        })
    }
}

/// Compares what workloads need with what pools have.
pub fn judge(pools: &[Pool], workloads: &[Workload]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for pool in pools {
        let mut demands: BTreeMap<(&str, &str), Demand<'_>> = BTreeMap::new();
        for workload in workloads.iter().filter(|workload| workload.pools.contains(&pool.name)) {
            let shared = match pool.spec.scope {
                Scope::Cluster => ("", ""),
                Scope::Namespace => (workload.namespace.as_str(), workload.group.as_str()),
            };
            let demand = demands.entry(shared).or_default();
            demand.titles.push(&workload.title);
            demand.replicas += workload.replicas;
            demand.surge += workload.surge;
        }
        findings.extend(demands.values().filter_map(|demand| compare(pool, demand)));
    }
    findings
}

fn compare(pool: &Pool, demand: &Demand<'_>) -> Option<Finding> {
    let names = pool.names.len();
    let has = count::of(names, "name");
    let Demand { titles, replicas, surge } = demand;
    let who = match titles.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("{} workloads together", several.len()),
    };
    let pool = &pool.name;
    if *replicas > names {
        return Some(Finding::problem(
            ABOUT,
            format!(
                "'{pool}' has {has}, and {who} wants {replicas} pods: some of them never start; give the pool \
                 more names, or run fewer pods"
            ),
        ));
    }
    (replicas + surge > names).then(|| {
        Finding::warning(
            ABOUT,
            format!(
                "'{pool}' has {has}, and a rollout of {who} needs {} at once: new pods wait for names, and old \
                 ones for new pods to become ready; give the pool more names, or set maxSurge: 0 and maxUnavailable: 1",
                replicas + surge
            ),
        )
    })
}

/// Without a number Kubernetes makes one pod.
fn replicas_of(replicas: Option<i32>) -> usize {
    usize::try_from(replicas.unwrap_or(1)).unwrap_or_default()
}

/// A number, or a percentage of the replicas, which Kubernetes rounds up.
fn share(of: &IntOrString, replicas: usize) -> usize {
    match of {
        IntOrString::Int(number) => usize::try_from(*number).unwrap_or_default(),
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').and_then(|number| number.parse::<usize>().ok());
            percent.map_or(0, |percent| (replicas * percent).div_ceil(100))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::finding::Level;
    use super::*;

    fn deployment(name: &str, replicas: usize, surge: &Value, annotations: &Value) -> Workload {
        let object = json!({
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "replicas": replicas, "selector": {},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}},
                "template": {"metadata": {"annotations": annotations}},
            },
        });
        Workload::deployment(&serde_json::from_value(object).unwrap()).unwrap()
    }

    fn pool(scope: &str) -> Pool {
        let spec = json!({"names": {"range": {"from": 1, "to": 5}}, "scope": scope});
        Pool::from_json("five".parse().unwrap(), spec.to_string().as_bytes()).unwrap()
    }

    fn levels(scope: &str, workloads: &[Workload]) -> Vec<Level> {
        judge(&[pool(scope)], workloads).iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_pool_needs_room_for_the_replicas_and_for_the_surge() {
        let asks = json!({"cairn.dev/pool": "five"});
        let with = |replicas, surge: Value| deployment("a", replicas, &surge, &asks);
        assert_eq!(levels("Namespace", &[with(4, json!("25%"))]), []);
        assert_eq!(levels("Namespace", &[with(5, json!(0))]), []);
        assert_eq!(levels("Namespace", &[with(5, json!("1%"))]), [Level::Warning]);
        assert_eq!(levels("Namespace", &[with(6, json!(0))]), [Level::Problem]);
    }

    #[test]
    fn each_kind_of_workload_replaces_its_pods_in_its_own_way() {
        let object = |spec: &Value| {
            let mut object = json!({"metadata": {"name": "a", "namespace": "shop"}, "spec": spec});
            object["spec"]["selector"] = json!({});
            object["spec"]["template"]["metadata"]["annotations"] =
                json!({"cairn.dev/pool": "five"});
            object
        };
        let of = |workload: Option<Workload>| levels("Namespace", &[workload.unwrap()]);
        let deployment =
            |spec: Value| of(Workload::deployment(&serde_json::from_value(object(&spec)).unwrap()));
        assert_eq!(deployment(json!({"replicas": 5})), [Level::Warning], "a quarter more");
        assert_eq!(deployment(json!({"replicas": 5, "strategy": {"type": "Recreate"}})), []);
        let stateful_set = |replicas: usize| {
            let object = object(&json!({"replicas": replicas, "serviceName": "a"}));
            of(Workload::stateful_set(&serde_json::from_value(object).unwrap()))
        };
        assert_eq!((stateful_set(5), stateful_set(6)), (vec![], vec![Level::Problem]));
        let daemon_set = |nodes: usize| {
            let mut object = object(&json!({}));
            object["status"] = json!({
                "desiredNumberScheduled": nodes, "currentNumberScheduled": 0, "numberMisscheduled": 0,
                "numberReady": 0,
            });
            of(Workload::daemon_set(&serde_json::from_value(object).unwrap()))
        };
        assert_eq!((daemon_set(5), daemon_set(6)), (vec![], vec![Level::Problem]));
    }

    #[test]
    fn pods_that_share_names_are_counted_together() {
        let asks = json!({"cairn.dev/pool": "five"});
        let grouped = json!({"cairn.dev/pool": "five", "cairn.dev/group": "both"});
        let two = |annotations: &Value| {
            ["a", "b"].map(|name| deployment(name, 3, &json!(0), annotations))
        };
        assert_eq!(levels("Namespace", &two(&asks)), []);
        assert_eq!(levels("Namespace", &two(&grouped)), [Level::Problem]);
        assert_eq!(levels("Cluster", &two(&asks)), [Level::Problem]);
    }
}
