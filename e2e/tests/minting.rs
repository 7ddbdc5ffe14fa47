//! Apps of a Stop pool that mint IDs while something happens to Cairn. None of them may be stopped, and no ID may be
//! minted twice.

use std::collections::BTreeSet;

use serde_json::Value;

use cairn_e2e::app::{App, rolled_out};
use cairn_e2e::minted::{MINTS, Minted};
use cairn_e2e::ns::Namespace;
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json};

/// A Deployment of such apps. An app that loses its claim is restarted.
#[derive(Debug)]
pub(crate) struct Apps<'a> {
    ns: &'a Namespace,
    count: u32,
    started: BTreeSet<String>,
}

impl<'a> Apps<'a> {
    /// Starts this many, and waits until all of them mint.
    pub(crate) fn start(ns: &'a Namespace, count: u32) -> Result<Self, Failure> {
        let app = App::claiming("press", "snowflake").script(MINTS).replicas(count);
        ns.apply(&app.deployment().to_string())?;
        rolled_out(ns, "press")?;
        let apps = Self { ns, count, started: containers(ns, count)? };
        apps.mint()?;
        Ok(apps)
    }

    /// Checks that no app was stopped since its start, and that all of them mint.
    pub(crate) fn run_on(&self) -> Done {
        self.mint()?;
        let now = containers(self.ns, self.count)?;
        assert_eq!(now, self.started, "an app was stopped");
        Ok(())
    }

    /// Waits until all of them have minted more IDs, and checks that no ID was minted twice.
    fn mint(&self) -> Done {
        let (cluster, name) = (&self.ns.cluster, &self.ns.name);
        let before = Minted::of(cluster, name)?;
        before.all_go_on(cluster, name, self.count as usize)?;
        let minted = Minted::of(cluster, name)?;
        assert!(minted.twice().is_empty(), "minted twice: {:?}", minted.twice());
        eprintln!("{} pods have minted {} IDs, none twice", self.count, minted.count());
        Ok(())
    }

    /// Checks that the arguments of their sidecars name this etcd cluster.
    pub(crate) fn know_cluster(&self, id: &str) -> Done {
        for pod in json::list(&self.ns.get(&["pods", "-l", "app=press"])?, "/items") {
            let containers = json::list(pod, "/spec/initContainers");
            let sidecar =
                containers.iter().find(|one| json::text(one, "/name").as_deref() == Some("cairn"));
            let wanted = Value::from(format!("--etcd-cluster-id={id}"));
            let args = sidecar.map_or(&[][..], |sidecar| json::list(sidecar, "/args"));
            assert!(args.contains(&wanted), "{args:?}");
        }
        Ok(())
    }

    /// Scales them up, and checks that no running app was stopped.
    pub(crate) fn grow(mut self, count: u32) -> Result<Self, Failure> {
        let replicas = format!("--replicas={count}");
        self.ns.kubectl(&["scale", "deployment", "press", &replicas])?;
        rolled_out(self.ns, "press")?;
        let now = containers(self.ns, count)?;
        assert!(self.started.is_subset(&now), "an app was stopped");
        (self.count, self.started) = (count, now);
        self.mint()?;
        Ok(self)
    }
}

/// The app containers of exactly this many pods, each with the number of its restarts.
fn containers(ns: &Namespace, count: u32) -> Result<BTreeSet<String>, Failure> {
    until(&format!("{count} apps"), secs(60), || {
        let pods = ns.get(&["pods", "-l", "app=press"])?;
        let statuses = json::list(&pods, "/items").iter().filter_map(|pod| {
            let status = pod.pointer("/status/containerStatuses/0")?;
            Some(format!("{} {}", json::text(status, "/containerID")?, status.get("restartCount")?))
        });
        let all: BTreeSet<String> = statuses.collect();
        Ok(if all.len() == count as usize {
            Seen::Yes(all)
        } else {
            Seen::NotYet(format!("{} apps", all.len()))
        })
    })
}
