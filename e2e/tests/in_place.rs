//! The sidecar ends while its app runs on: its image is changed in place, the node stops it, or it is not started
//! again. No two running apps have one name, and a restarted sidecar keeps the name.

use std::time::Duration;

use cairn_e2e::Done;
use cairn_e2e::app::App;
use cairn_e2e::etcd::Etcd;
use cairn_e2e::node::{Process, tag_image};
use cairn_e2e::ns::{Namespace, within};
use cairn_e2e::pod::Pod;
use cairn_e2e::runs::{self, PRINTS};
use cairn_e2e::wait::{Seen, pass, secs, until};

const IMAGE: &str = "localhost/cairn-sidecar";
/// Leases of the snowflake pool, the longest ones, run out 61 s after their last renewal. Pods that are created
/// afterwards may get the name.
const LONGEST_LEASE: Duration = secs(65);
/// A busy machine starts two pods within this, and they run beside the others for half a minute.
const GRANTED: Duration = secs(55);

/// How the sidecar ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// `kubectl set image` with another tag of the same image.
    Retagged,
    /// SIGTERM from the node.
    Signalled,
    /// `kubectl set image` with a tag that does not exist.
    Unpullable,
}

#[test]
fn a_retagged_sidecar_re_claims_its_node_id_and_no_other_pod_gets_it() -> Done {
    ends_while_its_app_runs("retag-ids", "snowflake", End::Retagged)
}

#[test]
fn a_sidecar_that_the_node_stops_re_claims_its_node_id_and_no_other_pod_gets_it() -> Done {
    ends_while_its_app_runs("term-ids", "snowflake", End::Signalled)
}

#[test]
fn without_a_sidecar_the_app_of_a_stop_pool_ends_before_its_node_id_is_granted_again() -> Done {
    ends_while_its_app_runs("gone-ids", "snowflake", End::Unpullable)
}

#[test]
fn a_retagged_sidecar_re_claims_its_mountain_and_no_other_pod_gets_it() -> Done {
    ends_while_its_app_runs("retag-names", "mountains", End::Retagged)
}

#[test]
fn a_sidecar_that_the_node_stops_re_claims_its_mountain_and_no_other_pod_gets_it() -> Done {
    ends_while_its_app_runs("term-names", "mountains", End::Signalled)
}

#[test]
fn without_a_sidecar_the_app_of_a_keep_pool_runs_on_and_no_other_pod_gets_its_mountain() -> Done {
    ends_while_its_app_runs("gone-names", "mountains", End::Unpullable)
}

fn ends_while_its_app_runs(topic: &str, pool: &str, end: End) -> Done {
    within(topic, |ns| {
        let app = App::claiming("press", pool).script(PRINTS).grace(5);
        let pod = app.deploy(ns)?.remove(0);
        let name = pod.claimed(pool)?;
        let before = (pod.container("app")?, pod.file("fence")?);
        let sidecar = pod.container("cairn")?;
        match end {
            End::Retagged => {
                let tag = format!("{IMAGE}:{topic}");
                tag_image(&ns.cluster, &format!("{IMAGE}:dev"), &tag)?;
                set_image(ns, &pod, &tag)?;
            }
            End::Signalled => {
                Process::of_container(&ns.cluster, &sidecar.id)?.signal("TERM")?;
            }
            End::Unpullable => set_image(ns, &pod, &format!("{IMAGE}:does-not-exist"))?,
        }
        until("the sidecar has ended", secs(30), || {
            let now = pod.container("cairn")?;
            Ok(if now.id != sidecar.id || now.started_at.is_none() {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{now:?}"))
            })
        })?;
        scale(ns, 10)?;
        agree_for(ns, LONGEST_LEASE)?;
        // By now the quarantine of a clean release is over, and a lease that nobody renews has run out.
        scale(ns, 12)?;
        agree_for(ns, GRANTED)?;

        let runs: Vec<_> = runs::of(ns)?.into_iter().filter(|run| run.pod == pod.name).collect();
        println!("{topic}: {name}: {runs:?}");
        match (end, pool) {
            (End::Unpullable, "snowflake") => {
                // Without a sidecar the env file is gone, so the kubelet does not start the app again.
                assert_eq!(runs.len(), 1, "the app was started again");
                assert_eq!(pod.container("app")?.started_at, None, "the app runs");
            }
            (End::Unpullable, _) => assert_eq!(pod.container("app")?, before.0),
            _ => {
                let after = (pod.container("app")?, pod.file("fence")?);
                assert_eq!(after.0, before.0, "the app was restarted");
                println!("{topic}: fence {} before, {} after", before.1, after.1);
                assert_eq!(pod.claimed(pool)?, name);
                holds(ns, &pod, pool, &name)?;
            }
        }
        Ok(())
    })
}

/// Checks that for the whole span no two running apps had one name, and that environment and file had the same name.
/// Apps print both every second, so the logs show the whole span.
fn agree_for(ns: &Namespace, span: Duration) -> Done {
    pass(span);
    let runs = runs::of(ns)?;
    assert_eq!(runs::shared(&runs), Vec::<String>::new(), "two running apps have one name");
    let torn: Vec<_> = runs.iter().flat_map(|run| &run.torn).collect();
    assert!(torn.is_empty(), "environment and file differ: {torn:?}");
    Ok(())
}

/// Checks that the pod holds the slot of the name.
fn holds(ns: &Namespace, pod: &Pod<'_>, pool: &str, name: &str) -> Done {
    let path = match pool {
        "snowflake" => "/cairn/v1/cluster/snowflake/-/s".to_owned(),
        _ => format!("/cairn/v1/ns/{}/c/{pool}/press/s", ns.name),
    };
    let slot = format!("{path}/{name}");
    assert!(Etcd::of(&ns.cluster).is_held_by(&slot, pod)?, "{slot} is not the pod's");
    Ok(())
}

fn set_image(ns: &Namespace, pod: &Pod<'_>, image: &str) -> Done {
    ns.kubectl(&["set", "image", &format!("pod/{}", pod.name), &format!("cairn={image}")]).map(drop)
}

fn scale(ns: &Namespace, replicas: u32) -> Done {
    ns.kubectl(&["scale", "deploy/press", &format!("--replicas={replicas}")]).map(drop)
}
