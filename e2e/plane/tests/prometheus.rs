//! What alerts and dashboard read exists: a real Prometheus scrapes a webhook, a sidecar and etcd, and is asked for
//! every series that an expression names. The documentation lists exactly the metrics of the binaries.

#![cfg(feature = "prometheus")]

use std::collections::BTreeSet;
use std::fs;

use cairn_plane::process::{free_port, repository, until};
use cairn_plane::{ApiServer, Installation, Prometheus, Sidecar, Webhook};
use cairn_test_etcd::TestEtcd;

#[path = "prometheus/expressions.rs"]
mod expressions;

use expressions::{Expression, of_alerts, of_dashboard, selectors};

/// A pod that asks for Cairn and was created while the webhook was not asked.
const MISSED: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: missed-1
  namespace: default
  annotations: {cairn.dev/pool: mountains}
  ownerReferences:
    - {apiVersion: apps/v1, kind: ReplicaSet, name: missed, uid: 22222222-2222-4222-8222-222222222222, controller: true}
spec:
  containers: [{name: app, image: app}]
";

/// Whom Events about a missing sidecar concern.
const EVENTS: [&str; 6] = [
    "get",
    "events",
    "--field-selector=reason=SidecarMissing",
    "-o",
    "jsonpath={range .items[*]}{.involvedObject.kind}/{.involvedObject.name}{'\\n'}{end}",
    "--namespace=default",
];

/// Everything that is scraped.
struct Scene {
    sidecar: Sidecar,
    webhook: Webhook,
    _etcd: TestEtcd,
    etcd_metrics: u16,
    _server: ApiServer,
}

fn scene() -> Scene {
    let etcd_metrics = free_port().unwrap();
    let listen = format!("--listen-metrics-urls=http://127.0.0.1:{etcd_metrics}");
    let etcd = TestEtcd::start_tls(&[&listen]).unwrap();
    let server = ApiServer::start().unwrap();
    let installed = Installation::apply(&server, etcd.url()).unwrap();
    let webhook = Webhook::start(&installed, &etcd).unwrap();
    let pod = ("default", "shop-1", "11111111-1111-4111-8111-111111111111");
    let sidecar = Sidecar::start(
        &etcd,
        pod,
        &["--pool=mountains", "--group=shop", "--coordinate=peers,leader,shards", "--shards=8"],
    )
    .unwrap();
    let leads = until(|| webhook.metric("cairn_webhook_mirror_leading") == Some(1.0));
    assert!(leads, "{}", webhook.log());
    // The mirror counts once a second.
    let held = "cairn_webhook_mirror_claims{pool=\"mountains\",state=\"held\"}";
    assert!(until(|| webhook.metric(held) == Some(1.0)), "{}", webhook.log());
    server.apply(MISSED).unwrap();
    let missed = "cairn_webhook_missed_pods{namespace=\"default\"}";
    assert!(until(|| webhook.metric(missed) == Some(1.0)), "{}", webhook.log());
    let about = || server.kubectl(&EVENTS).unwrap_or_default();
    assert!(until(|| about().lines().count() == 2), "{}", about());
    assert_eq!(
        about().lines().collect::<BTreeSet<_>>(),
        BTreeSet::from(["Pod/missed-1", "ReplicaSet/missed"])
    );
    Scene { sidecar, webhook, _etcd: etcd, etcd_metrics, _server: server }
}

#[test]
fn every_series_that_an_alert_or_a_panel_reads_is_scraped_and_the_documentation_lists_all() {
    let scene = scene();
    let prometheus = Prometheus::start(&[
        ("cairn-webhook", &[scene.webhook.admin]),
        ("cairn-sidecar", &[scene.sidecar.admin]),
        ("cairn-etcd", &[scene.etcd_metrics]),
    ])
    .unwrap();
    let up = || prometheus.query("count(up == 1) == 3").is_ok_and(|found| !found.is_empty());
    assert!(until(up), "{}", prometheus.log());
    let mut problems = Vec::new();
    let all: Vec<Expression> = of_alerts().into_iter().chain(of_dashboard()).collect();
    for Expression { place, text } in &all {
        let Ok(tree) = prometheus.parse(text) else {
            problems.push(format!("{place}: Prometheus cannot read {text}"));
            continue;
        };
        if let Err(error) = prometheus.query(text) {
            problems.push(format!("{place}: {error}"));
        }
        let read = selectors(&tree);
        if read.is_empty() {
            problems.push(format!("{place}: no selector was found in {text}"));
        }
        for selector in read {
            let some = || prometheus.query(&selector).is_ok_and(|found| !found.is_empty());
            // Every target has been scraped, so only the next evaluation can bring more.
            if !some() {
                problems.push(format!("{place}: nothing is scraped for {selector}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    let rules = || prometheus.rules();
    let known = |rules: &[serde_json::Value]| rules.len() == of_alerts().len();
    let well = || {
        let rules = rules();
        known(&rules) && rules.iter().all(|rule| rule["health"] == "ok")
    };
    assert!(until(well), "{:#?}", rules());
    let meant = |rule: &serde_json::Value| rule["name"] == "CairnPodsWithoutSidecar";
    let fires = |rule: &serde_json::Value| rule["state"] == "firing" && !meant(rule);
    let firing: Vec<_> = rules().into_iter().filter(fires).collect();
    assert!(firing.is_empty(), "{firing:#?}");

    let (always, later) = documented();
    let found: BTreeSet<String> =
        names(&scene.webhook.metrics()).chain(names(&scene.sidecar.metrics())).collect();
    let missing: Vec<_> = found.iter().filter(|name| !always.contains(*name)).collect();
    let missing: Vec<_> = missing.into_iter().filter(|name| !later.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/metrics.md lacks {missing:#?}");
    let gone: Vec<_> = always.difference(&found).collect();
    assert!(gone.is_empty(), "docs/metrics.md lists what nobody exports: {gone:#?}");
}

/// The names in a scrape, as queries use them. A counter's name ends with `_total`.
fn names(scrape: &str) -> impl Iterator<Item = String> {
    scrape.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some(if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
    })
}

/// The names in the first column of the tables of docs/metrics.md: those that are always there, and those with a ¹,
/// which appear after their first event.
fn documented() -> (BTreeSet<String>, BTreeSet<String>) {
    let text = fs::read_to_string(repository().join("docs/metrics.md")).unwrap();
    let row = |line: &str| {
        let (name, rest) = line.strip_prefix("| `cairn_")?.split_once('`')?;
        Some((format!("cairn_{name}"), rest.starts_with(" ¹")))
    };
    let (later, always): (Vec<_>, Vec<_>) =
        text.lines().filter_map(row).partition(|(_, later)| *later);
    let only = |rows: Vec<(String, bool)>| rows.into_iter().map(|(name, _)| name).collect();
    (only(always), only(later))
}
