//! One pod, and what a user can read about its claim.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Failure;
use crate::json;
use crate::ns::Namespace;
use crate::wait::{Seen, secs, until};

/// Where the webhook mounts the volume with the published files.
const DIR: &str = "/var/run/cairn";

/// A pod by name.
#[derive(Clone, Debug)]
pub struct Pod<'a> {
    ns: &'a Namespace,
    /// Its name.
    pub name: String,
    app: String,
}

/// The state of one container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id at the container runtime.
    pub id: String,
    /// How often it was restarted.
    pub restarts: u64,
    /// When its present process was started; `None` while it does not run.
    pub started_at: Option<String>,
}

impl<'a> Pod<'a> {
    /// The pod of that name, with a container `app`.
    pub fn named(ns: &'a Namespace, name: &str) -> Self {
        Self { ns, name: name.to_owned(), app: "app".to_owned() }
    }

    /// The pod of this object. Its app is its first container, whatever its name.
    pub fn from_object(ns: &'a Namespace, object: &Value) -> Self {
        let text = |pointer| json::text(object, pointer).unwrap_or_default();
        Self { ns, name: text("/metadata/name"), app: text("/spec/containers/0/name") }
    }

    /// The namespace it is in.
    pub fn namespace(&self) -> &'a Namespace {
        self.ns
    }

    /// The name of its app's container.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The object as it is now.
    pub fn object(&self) -> Result<Value, Failure> {
        self.ns.get(&["pod", &self.name])
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Result<Option<String>, Failure> {
        let object = self.object()?;
        let pointer = format!("/metadata/annotations/{}", json::key(key));
        Ok(json::text(&object, &pointer))
    }

    /// Runs a command in the app's container and returns its output.
    pub fn exec(&self, command: &[&str]) -> Result<String, Failure> {
        let args = [&["exec", &self.name, "-c", &self.app, "--"], command].concat();
        self.ns.kubectl(&args)
    }

    /// The content of a published file, read in the app's container.
    pub fn file(&self, path: &str) -> Result<String, Failure> {
        self.exec(&["cat", &format!("{DIR}/{path}")])
    }

    /// Whether a published file exists in the app's container.
    pub fn has_file(&self, path: &str) -> Result<bool, Failure> {
        let script = format!("test -e {DIR}/{path} && echo yes || echo no");
        Ok(self.exec(&["sh", "-c", &script])?.trim() == "yes")
    }

    /// `claim.json` of the first pool.
    pub fn claim(&self) -> Result<Value, Failure> {
        parse(&self.file("claim.json")?)
    }

    /// The environment variables with which the app was started.
    pub fn environment(&self) -> Result<BTreeMap<String, String>, Failure> {
        let text = self.exec(&["sh", "-c", "tr '\\0' '\\n' </proc/1/environ"])?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect())
    }

    /// An answer of the claims API, requested in the app's container.
    pub fn api(&self, path: &str) -> Result<Value, Failure> {
        let url = format!("http://127.0.0.1:24040{path}");
        parse(&self.exec(&["wget", "-qO-", &url])?)
    }

    /// An answer of the admin port, requested in the app's container. An error when the status is not a success.
    pub fn admin(&self, path: &str) -> Result<String, Failure> {
        let url = format!("http://127.0.0.1:24041{path}");
        self.exec(&["wget", "-qO-", &url])
    }

    /// The state of a container, the sidecar included.
    pub fn container(&self, name: &str) -> Result<Container, Failure> {
        let object = self.object()?;
        ["/status/containerStatuses", "/status/initContainerStatuses"]
            .iter()
            .flat_map(|list| json::list(&object, list))
            .find(|status| json::text(status, "/name").as_deref() == Some(name))
            .map(Container::from)
            .ok_or_else(|| Failure::new(format!("pod {} has no container '{name}' yet", self.name)))
    }

    /// Waits until the app runs and was restarted since `before`.
    pub fn started_again(&self, before: &Container) -> crate::Done {
        until(&format!("the app of {} runs again", self.name), secs(90), || {
            let now = self.container(&self.app)?;
            Ok(if now.restarts > before.restarts && now.started_at.is_some() {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{now:?}"))
            })
        })
    }

    /// Waits until the annotation shows a name, and returns it.
    pub fn claimed(&self, pool: &str) -> Result<String, Failure> {
        let key = format!("claim.cairn.dev/{pool}");
        until(&format!("{} shows {key}", self.name), secs(30), || {
            Ok(match self.annotation(&key)? {
                Some(name) => Seen::Yes(name),
                None => Seen::NotYet("no such annotation".to_owned()),
            })
        })
    }

    /// The messages of its Events.
    pub fn events(&self) -> Result<Vec<String>, Failure> {
        let selector = format!("involvedObject.name={}", self.name);
        let list = self.ns.get(&["events", "--field-selector", &selector])?;
        Ok(json::list(&list, "/items")
            .iter()
            .filter_map(|event| json::text(event, "/message"))
            .collect())
    }

    /// Deletes it without waiting for its end.
    pub fn delete(&self) -> crate::Done {
        self.ns.kubectl(&["delete", "pod", &self.name, "--wait=false"]).map(drop)
    }
}

impl From<&Value> for Container {
    fn from(status: &Value) -> Self {
        let id = json::text(status, "/containerID").unwrap_or_default();
        Self {
            id: id.trim_start_matches("containerd://").to_owned(),
            restarts: status.get("restartCount").and_then(Value::as_u64).unwrap_or_default(),
            started_at: json::text(status, "/state/running/startedAt"),
        }
    }
}

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::new(format!("not JSON: {error}: {text}")))
}
