use super::*;

type Pairs<'a> = &'a [(&'static str, &'static str)];

fn derived(kind: &str, name: &str, labels: Pairs<'_>, annotations: Pairs<'_>) -> Derived {
    let find = |pairs: Pairs<'_>, key: &str| {
        pairs.iter().find_map(|(known, value)| (*known == key).then_some(*value))
    };
    group(Some(Owner { kind, name }), |key| find(labels, key), |key| find(annotations, key))
}

fn of(kind: &str, name: &str, labels: Pairs<'_>) -> Option<String> {
    derived(kind, name, labels, &[]).group.map(|group| group.to_string())
}

#[test]
fn the_group_of_a_replica_sets_pod_is_the_deployment() {
    let hash = [("pod-template-hash", "5d4f")];
    assert_eq!(of("ReplicaSet", "checkout-5d4f", &hash).as_deref(), Some("checkout"));
    let rollout = [("rollouts-pod-template-hash", "77")];
    assert_eq!(of("ReplicaSet", "cart-77", &rollout).as_deref(), Some("cart"));
    assert_eq!(of("ReplicaSet", "by-hand", &[]).as_deref(), Some("by-hand"));
    assert_eq!(
        of("ReplicaSet", "other", &hash).as_deref(),
        Some("other"),
        "a hash that is not in the name removes nothing"
    );
}

#[test]
fn the_group_of_a_cron_jobs_pod_is_the_cron_job_and_a_job_with_a_date_keeps_its_name() {
    assert_eq!(of("Job", "nightly-29920140", &[]).as_deref(), Some("nightly"));
    for job in ["import-2", "report-20161121", "29920140", "a-299201400"] {
        assert_eq!(of("Job", job, &[]).as_deref(), Some(job));
    }
}

#[test]
fn the_group_of_a_knative_revisions_pod_is_the_service() {
    let labels = [("serving.knative.dev/service", "hello"), ("pod-template-hash", "5d4f")];
    for owner in ["hello-00001-deployment-5d4f", "hello-00002-deployment-5d4f"] {
        assert_eq!(of("ReplicaSet", owner, &labels).as_deref(), Some("hello"));
    }
}

#[test]
fn the_group_of_a_replication_controllers_pod_is_the_deployment_config() {
    let labels = [("deploymentconfig", "juice"), ("deployment", "juice-7")];
    for owner in ["juice-7", "juice-8", "juice-12"] {
        assert_eq!(of("ReplicationController", owner, &labels).as_deref(), Some("juice"));
    }
    let annotated = derived(
        "ReplicationController",
        "juice-7",
        &[],
        &[("openshift.io/deployment-config.name", "juice")],
    );
    assert_eq!(annotated.group.map(|group| group.to_string()).as_deref(), Some("juice"));
    for owner in ["juice-seven", "other-7", "juice-7-x"] {
        assert_eq!(
            of("ReplicationController", owner, &labels).as_deref(),
            Some(owner),
            "a controller of another DeploymentConfig keeps its name"
        );
    }
}

#[test]
fn the_runs_of_a_workflow_are_one_group() {
    for (run, group) in [
        ("etl-x7k2p", "etl"),
        ("etl-bcdfg", "etl"),
        ("etl-1795228678", "etl"),
        ("etl", "etl"),
        ("etl-nightly", "etl-nightly"),
    ] {
        let name = |key: &str| (key == "workflows.argoproj.io/workflow").then_some(run);
        let owner = Owner { kind: "Workflow", name: run };
        let derived = super::group(Some(owner), name, |_| None);
        assert_eq!(derived.group.map(|group| group.to_string()).as_deref(), Some(group));
        assert_eq!(derived.looks_generated, None);
    }
    assert_eq!(of("Workflow", "mine-x7k2p", &[]).as_deref(), Some("mine-x7k2p"), "not Argo's");
}

#[test]
fn the_runs_of_a_tekton_pipeline_are_one_group_per_task() {
    let referenced = [
        ("tekton.dev/pipeline", "release"),
        ("tekton.dev/pipelineRun", "release-x7k2p"),
        ("tekton.dev/pipelineTask", "build"),
    ];
    let embedded = [
        ("tekton.dev/pipeline", "release-x7k2p"),
        ("tekton.dev/pipelineRun", "release-x7k2p"),
        ("tekton.dev/pipelineTask", "build"),
    ];
    for labels in [&referenced, &embedded] {
        assert_eq!(of("TaskRun", "release-x7k2p-build", labels).as_deref(), Some("release-build"));
    }
    let task = [("tekton.dev/task", "lint"), ("tekton.dev/taskRun", "lint-run-x7k2p")];
    assert_eq!(of("TaskRun", "lint-run-x7k2p", &task).as_deref(), Some("lint"));
    let embedded = [("tekton.dev/task", "lint-x7k2p"), ("tekton.dev/taskRun", "lint-x7k2p")];
    assert_eq!(of("TaskRun", "lint-x7k2p", &embedded).as_deref(), Some("lint"));
}

#[test]
fn a_suffix_is_removed_where_it_is_known_to_be_generated() {
    let from = |generate_name| [("cairn.dev/generate-name", generate_name)];
    for (kind, name, labels, generate_name, group) in [
        ("Job", "mail-batch-x7k2p", &[][..], "mail-batch-", "mail-batch"),
        ("Job", "mail-batch-bcdfg", &[], "mail-batch-", "mail-batch"),
        ("StatefulSet", "db-x7k2p", &[], "db-", "db"),
        ("ReplicaSet", "web-x7k2p-5d4f", &[("pod-template-hash", "5d4f")], "web-", "web"),
        ("Job", "nightly-x7k2p-29920140", &[], "nightly-", "nightly"),
    ] {
        let derived = derived(kind, name, labels, &from(generate_name));
        assert_eq!(derived.group.map(|group| group.to_string()).as_deref(), Some(group), "{name}");
        assert_eq!(derived.looks_generated, None, "{name}");
    }
    let copied = derived("Job", "worker-fffff", &[], &from("mail-"));
    assert_eq!(copied.group.map(|group| group.to_string()).as_deref(), Some("worker-fffff"));
}

#[test]
fn nothing_is_removed_from_a_name_that_a_user_chose() {
    for name in ["worker-fffff", "dump-pgsql", "mail-x7k2p"] {
        assert_eq!(of("Job", name, &[]).as_deref(), Some(name));
    }
}

#[test]
fn a_group_that_looks_generated_is_reported_and_others_are_not() {
    let looks = |kind: &str, name: &str, labels: Pairs<'_>| {
        derived(kind, name, labels, &[]).looks_generated.map(|group| group.to_string())
    };
    assert_eq!(looks("Job", "mail-x7k2p", &[]).as_deref(), Some("mail"));
    assert_eq!(looks("Job", "report-20161121", &[]).as_deref(), Some("report"));
    assert_eq!(looks("RayCluster", "train-x7k2p", &[]).as_deref(), Some("train"));
    assert_eq!(looks("Job", "nightly-29920140", &[]), None);
    let hash = [("pod-template-hash", "5d4f6b7c8")];
    assert_eq!(looks("ReplicaSet", "checkout-5d4f6b7c8", &hash), None);
}

#[test]
fn the_group_of_other_controllers_pods_is_the_controllers_name_and_bare_pods_have_none() {
    for kind in ["StatefulSet", "DaemonSet", "ReplicationController", "CloneSet"] {
        assert_eq!(of(kind, "db-0", &[]).as_deref(), Some("db-0"));
    }
    assert_eq!(of("Node", "node-1", &[]), None);
    assert_eq!(group(None, |_| None, |_| None), Derived::default());
}
