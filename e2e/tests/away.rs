//! What happens to running pods when etcd does not answer or has lost all of its data. These tests break what other
//! tests need, so each of them runs alone, or with others of the same situation.

use std::collections::BTreeSet;

use cairn_e2e::app::App;
use cairn_e2e::etcd::{Etcd, FROZEN};
use cairn_e2e::node::Process;
use cairn_e2e::ns::{alone, in_situation};
use cairn_e2e::pod::{Container, Pod};
use cairn_e2e::runs::{self, PRINTS};
use cairn_e2e::wait::{Seen, secs, throughout, until};
use cairn_e2e::{Done, Failure, json};

const SLOTS: &str = "/cairn/v1/cluster/snowflake/-/s/";
const FREEZE: &str = "/cairn/v1/hold/snowflake";

#[test]
fn a_wiped_etcd_stops_no_app_of_a_stop_pool_and_changes_no_node_id() -> Done {
    alone("wiped", |ns| {
        let etcd = Etcd::of(&ns.cluster);
        let app = App::claiming("ids", "snowflake").script(PRINTS);
        let pods = app.clone().replicas(6).deploy(ns)?;
        for pod in &pods {
            pod.claimed("snowflake")?;
        }
        let before = state(&pods)?;
        let ids: BTreeSet<String> = before.iter().map(|(_, id)| id.clone()).collect();

        etcd.wipe()?;
        until("every holder has its own node ID again", secs(60), || {
            assert_eq!(state(&pods)?, before, "an app was stopped, or its node ID has changed");
            let held = slots(&etcd)?;
            // Slots of other tests' pods may not have been released yet.
            Ok(if held.is_superset(&ids) {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{held:?}"))
            })
        })?;
        until("the freeze is over", secs(120), || {
            assert_eq!(state(&pods)?, before, "an app was stopped, or its node ID has changed");
            let frozen = etcd.has(FREEZE)?;
            Ok(if frozen { Seen::NotYet("frozen".to_owned()) } else { Seen::Yes(()) })
        })?;
        app.replicas(8).deploy(ns)?;
        assert_eq!(state(&pods)?, before, "an app was stopped, or its node ID has changed");
        let seen = runs::of(ns)?;
        assert_eq!(seen.len(), 8, "an app was restarted");
        assert_eq!(runs::shared(&seen), Vec::<String>::new());
        Ok(())
    })
}

#[test]
fn while_etcd_is_frozen_a_keep_pod_whose_sidecar_restarts_is_ready_and_its_crashed_app_is_restarted()
-> Done {
    in_situation(&FROZEN, "gate-once", |ns, etcd| {
        let pod = App::claiming("shop", "mountains").deploy(ns)?.remove(0);
        let name = pod.file("name")?;
        let (app, sidecar) = (pod.container("app")?, pod.container("cairn")?);
        // The kubelet restarts an etcd that does not answer for a minute. The steps below take less.
        etcd.begin()?;
        Process::of_container(&ns.cluster, &sidecar.id)?.signal("KILL")?;
        until("the sidecar runs again and the pod is Ready", secs(20), || {
            let now = pod.container("cairn")?;
            let up = now.restarts > sidecar.restarts && now.started_at.is_some();
            Ok(if up && ready(&pod)? { Seen::Yes(()) } else { Seen::NotYet(format!("{now:?}")) })
        })?;
        throughout(secs(8), || {
            assert!(ready(&pod)?, "the pod left its Services");
            Ok(())
        })?;
        Process::of_container(&ns.cluster, &app.id)?.signal("KILL")?;
        until("the crashed app runs again", secs(25), || {
            let now = pod.container("app")?;
            let up = now.restarts > app.restarts && now.started_at.is_some();
            Ok(if up { Seen::Yes(()) } else { Seen::NotYet(format!("{now:?}")) })
        })?;
        assert_eq!(pod.environment()?["CAIRN_NAME"], name);
        etcd.end()?;
        until("the claim is held again", secs(60), || {
            let claim = pod.claim()?;
            let held = json::text(&claim, "/state").as_deref() == Some("held");
            Ok(if held { Seen::Yes(()) } else { Seen::NotYet(claim.to_string()) })
        })?;
        assert_eq!(pod.file("name")?, name);
        Ok(())
    })
}

/// The app's process and the node ID of each pod.
fn state(pods: &[Pod<'_>]) -> Result<Vec<(Container, String)>, Failure> {
    pods.iter().map(|pod| Ok((pod.container("app")?, pod.file("name")?))).collect()
}

fn slots(etcd: &Etcd) -> Result<BTreeSet<String>, Failure> {
    let keys = etcd.keys(SLOTS)?;
    Ok(keys.iter().filter_map(|key| key.strip_prefix(SLOTS)).map(str::to_owned).collect())
}

fn ready(pod: &Pod<'_>) -> Result<bool, Failure> {
    Ok(json::is_ready(&pod.object()?))
}
