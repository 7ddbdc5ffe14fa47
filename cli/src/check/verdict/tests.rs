use super::*;
use crate::yaml;

/// Every verdict about a manifest, one line each.
fn say(text: &str) -> Vec<String> {
    let documents = yaml::documents(text).unwrap();
    let examined = documents.iter().flat_map(examine);
    examined
        .map(|Examined { subject, verdict, .. }| match verdict {
            Verdict::Asks(pools, None) => format!("{subject} claims from {} pools", pools.len()),
            Verdict::Asks(_, Some(with)) => format!("{subject} coordinates {with}"),
            Verdict::Nothing => format!("{subject} asks for nothing"),
            Verdict::Pool(pool) => format!("{subject} has {} names", pool.names.len()),
            Verdict::Refused(message) => format!("{subject}: {message}"),
        })
        .collect()
}

fn workload(kind: &str, metadata: &str, template: &str) -> Vec<String> {
    say(&format!(
        "{{kind: {kind}, metadata: {{name: a, {metadata}}}, \
         spec: {{template: {{metadata: {template}, spec: {{containers: []}}}}}}}}"
    ))
}

const ASKS: &str = "{annotations: {cairn.dev/pool: mountains}}";

#[test]
fn every_kind_that_makes_pods_is_read_where_its_template_is() {
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Rollout"] {
        assert_eq!(workload(kind, "", ASKS), [format!("{kind} a claims from 1 pools")]);
        assert_eq!(workload(kind, "", "{}"), [format!("{kind} a asks for nothing")]);
    }
    assert_eq!(
        say(
            "{kind: Pod, metadata: {generateName: a-, namespace: shop, annotations: {cairn.dev/pool: 'a,b'}}}"
        ),
        ["Pod shop/a-* claims from 2 pools"]
    );
    let cron = format!(
        "{{kind: CronJob, spec: {{jobTemplate: {{spec: {{template: {{metadata: {ASKS}}}}}}}}}}}"
    );
    assert_eq!(say(&cron), ["CronJob without a name claims from 1 pools"]);
    assert_eq!(
        say("{kind: Deployment, metadata: {name: a}, spec: {}}"),
        ["Deployment a: spec.template is missing; write the pods' metadata and spec there"]
    );
}

#[test]
fn documents_and_lists_are_taken_apart_and_other_kinds_are_left_alone() {
    let pod = "{kind: Pod, metadata: {name: p}}";
    let text =
        format!("# head\n---\n{pod}\n---\n{{kind: List, items: [{pod}, {{kind: Service}}]}}");
    assert_eq!(say(&text), ["Pod p asks for nothing", "Pod p asks for nothing"]);
    assert!(say("{kind: Pool, apiVersion: storage.example/v1, spec: {size: 3}}").is_empty());
    assert!(say("").is_empty());
}

#[test]
fn an_annotation_on_the_workload_itself_is_told_where_it_belongs() {
    let message = "Deployment a: annotation cairn.dev/pool has no effect on the Deployment itself; \
                    write it under spec.template.metadata.annotations";
    assert_eq!(workload("Deployment", "annotations: {cairn.dev/pool: mountains}", "{}"), [message]);
    assert_eq!(
        workload("Deployment", "labels: {cairn.dev/pool: mountains}", "{}"),
        [message.replace("annotation cairn", "label cairn")]
    );
    let both = workload("Deployment", "annotations: {cairn.dev/pool: mountains}", ASKS);
    assert_eq!(
        both,
        ["Deployment a claims from 1 pools"],
        "tools that write both places do no harm"
    );
    for cron in [
        "{kind: CronJob, metadata: {annotations: {cairn.dev/pool: a}}, spec: {jobTemplate: {spec: {template: {}}}}}",
        "{kind: CronJob, spec: {jobTemplate: {metadata: {annotations: {cairn.dev/pool: a}}, spec: {template: {}}}}}",
    ] {
        let said = say(cron);
        assert!(
            said[0].ends_with("write it under spec.jobTemplate.spec.template.metadata.annotations")
        );
        assert_eq!(said.len(), 1);
    }
}

#[test]
fn values_that_yaml_does_not_read_as_text_are_told_to_be_quoted() {
    assert_eq!(
        workload("Job", "", "{annotations: {cairn.dev/group: 17}}"),
        ["Job a: annotation 'cairn.dev/group' is not a text; put its value into quotes"]
    );
    assert_eq!(
        workload("Job", "", "{annotations: {cairn.dev/pool: }}"),
        ["Job a: annotation 'cairn.dev/pool' is empty; name a pool, like mountains"]
    );
    assert_eq!(
        workload("Job", "", "{annotations: [cairn.dev/pool]}"),
        ["Job a: metadata.annotations is not a mapping; write it like key: value"]
    );
    assert_eq!(workload("Job", "", "{annotations: {other/key: 17}}"), ["Job a asks for nothing"]);
}

#[test]
fn a_pod_that_only_coordinates_asks_too() {
    let annotations =
        "{annotations: {cairn.dev/coordinate: 'leader,shards', cairn.dev/shards: '16'}}";
    let found = workload("Deployment", "", annotations);
    assert_eq!(found, ["Deployment a coordinates leader,shards, 16 shards by xxh64"]);
}
