//! `cairn check` of a cluster: collects what the single checks judge. What the user may not read is said and skipped.

use cairn_core::pool::{MOUNTAINS, Pool};
use cairn_kit::clock;
use cairn_kit::etcd::EtcdArgs;
use cairn_webhook::pools::resource::{self, PoolObject};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::finding::{Finding, report};
use super::pods::Survey;
use super::room::Workload;
use super::versions::Versions;
use super::{certificates, dry_run, etcd, pools, room, versions};
use crate::args::check::CheckArgs;
use crate::cluster::webhook_pod::WebhookPod;
use crate::cluster::{CRD, Cluster, ClusterError, etcd_pods, is_ready, request};
use crate::etcd::EtcdError;
use crate::progress::Progress;
use crate::reach::Reach;
use crate::report::Report;

/// The label with the chart's version.
const VERSION: &str = "app.kubernetes.io/version";
/// Objects in one answer.
const PAGE: u32 = 500;

/// Runs all checks.
pub async fn run(args: &CheckArgs) -> Result<Report, EtcdError> {
    let cluster = Cluster::open(&args.cluster).await?;
    let progress = Progress::say("asking the API server");
    let replicas = WebhookPod::all(&cluster).await?;
    let mut findings = versions(&cluster, &replicas).await;
    let ready = replicas.iter().filter(|replica| is_ready(&replica.0)).count();
    findings.push(running(&cluster.namespace, ready, replicas.len()));
    let ready: Vec<WebhookPod> =
        replicas.into_iter().filter(|replica| is_ready(&replica.0)).collect();
    let found = list::<PoolObject>(&cluster.client, "pools").await;
    let known: Vec<Pool> = found.iter().flatten().filter_map(checked).collect();
    let client = &cluster.client;
    let namespace = args.namespace.as_deref().filter(|text| !text.is_empty());
    let namespace = namespace.unwrap_or_else(|| client.default_namespace());
    let pool = known.iter().find(|pool| pool.name.as_str() == MOUNTAINS).or_else(|| known.first());
    let pool = pool.map_or(MOUNTAINS, |pool| pool.name.as_str());
    findings.push(dry_run::check(client, namespace, pool).await);
    findings.extend(certificates::check(&cluster, &ready, clock::now().wall).await);
    drop(progress);
    let progress = Progress::say("asking etcd");
    findings.extend(health(&cluster, ready.first()).await);
    drop(progress);
    let _progress = Progress::say("reading pods and workloads");
    match found {
        Ok(found) => findings.extend(pools::judge(&found)),
        Err(error) => findings.push(Finding::unknown("pools", error.to_string())),
    }
    match workloads(client).await {
        Ok(workloads) => findings.extend(room::judge(&known, &workloads)),
        Err(error) => findings.push(Finding::unknown("pools", error.to_string())),
    }
    let mut survey = Survey::default();
    findings.extend(match pages::<Pod>(client, "pods", |pods| survey.add(&pods)).await {
        Ok(()) => survey.judge(),
        Err(error) => vec![Finding::unknown("pods", error.to_string())],
    });
    Ok(report(&findings, args.output))
}

fn checked(pool: &PoolObject) -> Option<Pool> {
    resource::check(pool.name(), &pool.spec).ok()
}

fn running(namespace: &str, ready: usize, all: usize) -> Finding {
    const ABOUT: &str = "webhook";
    match (ready, all) {
        (0, _) => Finding::problem(
            ABOUT,
            format!(
                "no replica is ready in namespace '{namespace}', so pods that ask for Cairn are refused; look with \
                 kubectl -n {namespace} describe pods, or give --cairn-namespace"
            ),
        ),
        (ready, all) if ready < all => Finding::warning(
            ABOUT,
            format!(
                "{ready} of {all} replicas are ready; look with kubectl -n {namespace} describe pods"
            ),
        ),
        (ready, _) => Finding::fine(ABOUT, format!("{ready} replicas are ready")),
    }
}

async fn versions(cluster: &Cluster, replicas: &[WebhookPod]) -> Vec<Finding> {
    let mut findings = vec![match cluster.client.apiserver_version().await {
        Ok(info) => versions::kubernetes(&info.major, &info.minor),
        Err(error) => Finding::unknown("versions", error.to_string()),
    }];
    let Some(first) = replicas.first() else { return findings };
    let crds: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let crd = crds.get_metadata(CRD).await.ok();
    let images = replicas.iter().filter_map(|replica| {
        let containers = &replica.0.spec.as_ref()?.containers;
        containers.first()?.image.clone()
    });
    findings.push(versions::parts(&Versions {
        webhooks: images.collect(),
        sidecar: first.flag("--sidecar-image").unwrap_or_default().to_owned(),
        chart: first.0.labels().get(VERSION).cloned().unwrap_or_default(),
        crd: crd.and_then(|crd| crd.labels().get(VERSION).cloned()),
    }));
    findings
}

async fn health(cluster: &Cluster, webhook: Option<&WebhookPod>) -> Vec<Finding> {
    let Some(webhook) = webhook else {
        return vec![Finding::unknown(
            "etcd",
            "without a ready webhook there is no access to etcd",
        )];
    };
    let reach = match Reach::through(cluster, &EtcdArgs::default()).await {
        Ok(reach) => reach,
        Err(error) => return vec![Finding::unknown("etcd", error.to_string())],
    };
    let health = reach.health().await;
    let bundled = etcd_pods::all(cluster, webhook).await.unwrap_or_default();
    let quota = bundled.iter().find_map(etcd_pods::quota);
    let pods = Some(bundled.len()).filter(|_| webhook.flag(etcd_pods::BUNDLED).is_some());
    etcd::judge(&etcd::Members { pods, health, quota })
}

async fn workloads(client: &Client) -> Result<Vec<Workload>, ClusterError> {
    let deployments = list::<Deployment>(client, "deployments").await?;
    let stateful_sets = list::<StatefulSet>(client, "statefulsets").await?;
    let daemon_sets = list::<DaemonSet>(client, "daemonsets").await?;
    let all = deployments.iter().filter_map(Workload::deployment);
    let all = all.chain(stateful_sets.iter().filter_map(Workload::stateful_set));
    Ok(all.chain(daemon_sets.iter().filter_map(Workload::daemon_set)).collect())
}

/// All objects of a kind.
async fn list<K>(client: &Client, what: &str) -> Result<Vec<K>, ClusterError>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut all = Vec::new();
    pages(client, what, |page| all.extend(page)).await?;
    Ok(all)
}

/// Reads all objects of a kind, some at a time.
async fn pages<K>(
    client: &Client,
    what: &str,
    mut take: impl FnMut(Vec<K>),
) -> Result<(), ClusterError>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::all(client.clone());
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await.map_err(request(format!("list {what}")))?;
        take(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
