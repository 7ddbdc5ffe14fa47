//! Which pods are one group when the name of their owner is new each time.

use cairn_e2e::app::{App, pods_of};
use cairn_e2e::ns::{Namespace, within};
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json};
use serde_json::{Value, json as object};

#[test]
fn three_runs_of_a_job_with_generate_name_are_one_group() -> Done {
    within("runs", |ns| {
        let mut job = App::claiming("mail", "mountains").script("cat /var/run/cairn/prefix").job();
        job["metadata"] = object!({"generateName": "mail-batch-"});
        for _ in 0..3 {
            let name = create(ns, &job)?;
            assert!(name.starts_with("mail-batch-"), "{name}");
            let prefix = output_of(ns, &name)?;
            let group = format!("{}.mail-batch.", ns.name);
            assert!(prefix.starts_with(&group), "{prefix} of {name} is not in {group}");
        }
        Ok(())
    })
}

#[test]
fn the_group_of_a_job_with_a_chosen_name_is_that_name() -> Done {
    within("chosen", |ns| {
        for name in ["worker-fffff", "worker-x7k2p"] {
            let mut job =
                App::claiming(name, "mountains").script("cat /var/run/cairn/prefix").job();
            job["metadata"] = object!({"name": name, "generateName": "worker-"});
            create(ns, &job)?;
            assert_eq!(output_of(ns, name)?, format!("{}.{name}.Denali", ns.name));
        }
        Ok(())
    })
}

#[test]
fn all_rollouts_of_a_deployment_config_are_one_group() -> Done {
    within("config", |ns| {
        for (name, mountain) in [("juice-7", "Denali"), ("juice-8", "MtLogan")] {
            let app = App::claiming(name, "mountains").deployment();
            let mut template = app["spec"]["template"].clone();
            template["metadata"]["labels"] =
                object!({"app": name, "deployment": name, "deploymentconfig": "juice"});
            let controller = object!({
                "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name},
                "spec": {"replicas": 1, "selector": {"app": name}, "template": template},
            });
            create(ns, &controller)?;
            let pod = pods_of(ns, name, 1)?.remove(0);
            pod.claimed("mountains")?;
            let claim = until("the app runs", secs(60), || pod.claim().map(Seen::Yes))?;
            let prefix = format!("{}.juice.{mountain}", ns.name);
            assert_eq!(json::text(&claim, "/prefix"), Some(prefix), "{name}");
        }
        Ok(())
    })
}

#[test]
fn creating_a_pod_in_a_group_that_looks_generated_gives_a_warning_that_says_what_to_set() -> Done {
    within("looks", |ns| {
        let mut pod = App::claiming("report", "mountains").pod();
        pod["metadata"]["ownerReferences"] = object!([{
            "apiVersion": "batch/v1", "kind": "Job", "name": "report-x7k2p", "controller": true,
            "uid": "5e0f9f2c-3f6b-4b35-8f0e-0d9d1c9a7b11",
        }]);
        let args = ["-n", &ns.name, "create", "--dry-run=server", "-f", "-"];
        let said = ns.cluster.kubectl_with(&args, &pod.to_string())?.stderr;
        let warning = "Cairn: the group of this pod is 'report-x7k2p', after its owner, and that name looks \
                       generated; if it is new with every run, so are the pod's names and metrics: set \
                       cairn.dev/group: report";
        assert!(said.contains(warning), "{said}");
        Ok(())
    })
}

/// Creates an object and returns its name.
fn create(ns: &Namespace, object: &Value) -> Result<String, Failure> {
    let args = ["-n", &ns.name, "create", "-o", "name", "-f", "-"];
    let named = ns.cluster.kubectl_with(&args, &object.to_string())?.ok()?;
    Ok(named.trim().rsplit('/').next().unwrap_or_default().to_owned())
}

/// Waits until a Job is complete, and returns the output of its pod.
fn output_of(ns: &Namespace, job: &str) -> Result<String, Failure> {
    ns.kubectl(&["wait", "--for=condition=Complete", &format!("job/{job}"), "--timeout=90s"])?;
    let selector = format!("batch.kubernetes.io/job-name={job}");
    Ok(ns.kubectl(&["logs", "-l", &selector, "-c", "app"])?.trim().to_owned())
}
