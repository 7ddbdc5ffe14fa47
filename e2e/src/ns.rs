//! A namespace per test, which enforces the Pod Security standard `restricted` and is deleted after the test.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde_json::json;

use crate::cluster::{Cluster, Temporary};
use crate::situation::{Part, Role, Situation};
use crate::turn::{Lane, Need, Turn};
use crate::{Done, Failure, install, second};

/// A namespace of one test or of the demonstration.
#[derive(Debug)]
pub struct Namespace {
    /// The cluster it is in.
    pub cluster: Cluster,
    /// Its name.
    pub name: String,
    temporary: bool,
}

/// Runs a test in a namespace of its own, beside other tests.
pub fn within(topic: &str, test: impl FnOnce(&Namespace) -> Done) -> Done {
    let _turn = Turn::wait(Need::Beside, topic);
    let cluster = tested_cluster();
    install::ready(&cluster)?;
    let _shared = cluster.share()?;
    in_namespace(&cluster, topic, test)
}

/// Runs a test in a namespace of its own while no other test uses the cluster: for tests that break what others need.
pub fn alone(topic: &str, test: impl FnOnce(&Namespace) -> Done) -> Done {
    on_own_lane(topic, |cluster| in_namespace(&cluster.map_err(Failure::new)?, topic, test))
}

/// Like [`alone`], together with the other tests of a situation.
pub fn in_situation(
    situation: &Situation,
    topic: &str,
    test: impl FnOnce(&Namespace, &Part) -> Done,
) -> Done {
    let with_part = |part: Part| {
        let cluster = part.cluster()?;
        in_namespace(&cluster, topic, |ns| {
            // A test that fails leaves before its namespace is described.
            let part = part;
            test(ns, &part)
        })
    };
    match situation.join() {
        Role::Member(part) => with_part(part),
        Role::Leader(part) => on_own_lane(situation.topic, |cluster| {
            situation.close();
            part.announce(cluster);
            let meeting = part.meeting();
            let outcome = catch_unwind(AssertUnwindSafe(|| with_part(part)));
            meeting.is_over();
            outcome.unwrap_or_else(|panic| resume_unwind(panic))
        }),
    }
}

/// Runs a test on a new cluster with this tree's images, which is removed afterwards. Its name is that of the shared
/// cluster with a suffix.
pub fn apart(suffix: &str, test: impl FnOnce(&Cluster) -> Done) -> Done {
    let _turn = Turn::wait(Need::Apart, suffix);
    test(&*Temporary::up(&tested_cluster(), suffix)?)
}

/// Runs a test once it has a cluster alone, or with the reason why there is none.
fn on_own_lane(topic: &str, test: impl FnOnce(Result<Cluster, String>) -> Done) -> Done {
    let turn = Turn::wait(Need::Alone, topic);
    let found = match turn.lane() {
        Lane::First => {
            let cluster = tested_cluster();
            install::ready(&cluster).map(|()| cluster)
        }
        Lane::Second => second::cluster(&tested_cluster()),
    };
    let locked = found.and_then(|cluster| Ok((cluster.monopolise()?, cluster)));
    let (lock, cluster) = match locked {
        Ok((lock, cluster)) => (Some(lock), Ok(cluster)),
        Err(failure) => (None, Err(format!("{failure:?}"))),
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| test(cluster)));
    drop(lock);
    if turn.ends_second() {
        second::remove();
    }
    drop(turn);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// The cluster that the tests run on.
pub fn tested_cluster() -> Cluster {
    Cluster::named(&env::var("CAIRN_E2E_CLUSTER").unwrap_or_else(|_| "e2e".to_owned()))
}

/// Like [`within`], on a cluster that the caller has prepared and locked.
pub fn in_namespace(cluster: &Cluster, topic: &str, test: impl FnOnce(&Namespace) -> Done) -> Done {
    let namespace = Namespace::create(cluster, topic)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| test(&namespace)));
    if !matches!(outcome, Ok(Ok(()))) {
        namespace.describe();
    }
    drop(namespace);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

impl Namespace {
    /// Creates a namespace for a test, and waits for its default `ServiceAccount`: no pod is admitted before.
    fn create(cluster: &Cluster, topic: &str) -> Result<Self, Failure> {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let unique: String = unique.chars().take(6).collect();
        let namespace =
            Self { cluster: cluster.clone(), name: format!("t-{topic}-{unique}"), temporary: true };
        namespace.make()?;
        Ok(namespace)
    }

    /// Creates a namespace that is not deleted, unless it exists.
    pub fn kept(cluster: &Cluster, name: &str) -> Result<Self, Failure> {
        let namespace = Self { cluster: cluster.clone(), name: name.to_owned(), temporary: false };
        namespace.make()?;
        Ok(namespace)
    }

    fn make(&self) -> Done {
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": self.name,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            },
        });
        self.cluster.kubectl_with(&["apply", "-f", "-"], &object.to_string())?.ok()?;
        self.cluster
            .kubectl(&[
                "-n",
                &self.name,
                "wait",
                "--for=create",
                "serviceaccount/default",
                "--timeout=30s",
            ])?
            .ok()?;
        Ok(())
    }

    /// Creates or changes objects, given as JSON or YAML.
    pub fn apply(&self, objects: &str) -> Done {
        self.cluster.kubectl_with(&["-n", &self.name, "apply", "-f", "-"], objects)?.ok().map(drop)
    }

    /// `kubectl` in this namespace. An exit code other than 0 is an error.
    pub fn kubectl(&self, args: &[&str]) -> Result<String, Failure> {
        self.cluster.kubectl(&[&["-n", &self.name], args].concat())?.ok()
    }

    /// Reads an object or a list of this namespace with `kubectl get`.
    pub fn get(&self, args: &[&str]) -> Result<serde_json::Value, Failure> {
        self.cluster.get(&[&["-n", self.name.as_str()], args].concat())
    }

    /// Prints pods, Events and sidecar logs, for the log of a failed test.
    fn describe(&self) {
        eprintln!("--- pods, Events and sidecar logs of {} ---", self.name);
        for args in [
            &["get", "pods", "-o", "wide"][..],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", "-l", "cairn.dev/injected=true", "-c", "cairn", "--tail=15", "--prefix"],
        ] {
            match self.cluster.kubectl(&[&["-n", &self.name], args].concat()) {
                Ok(output) => eprintln!("{}{}", output.stdout, output.stderr),
                Err(failure) => eprintln!("{failure:?}"),
            }
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.temporary {
            return;
        }
        let gone = self.cluster.kubectl(&[
            "delete",
            "namespace",
            &self.name,
            "--wait=false",
            "--ignore-not-found",
        ]);
        if let Err(failure) = gone {
            eprintln!("cannot delete namespace {}: {failure:?}", self.name);
        }
    }
}
