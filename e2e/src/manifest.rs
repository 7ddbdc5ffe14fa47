//! Manifests of workloads as users write them: a pod template with one annotation, which meets the Pod Security
//! standard `restricted`, on the busybox image.

use serde_json::{Map, Value, json as object};

/// The folder in which an app writes its journal: see [`crate::journal`].
pub const JOURNAL: &str = "/journal";

/// An image with a shell and its tools; `e2e/cluster` builds it.
pub const IMAGE: &str = "docker.io/library/busybox:1.35";

/// Runs until SIGTERM, and then ends at once. Without the trap, a shell as process 1 ignores SIGTERM.
const IDLE: &str = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

/// The description of a workload.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) name: String,
    pub(crate) replicas: u32,
    annotations: Map<String, Value>,
    script: String,
    grace: u32,
    variable: Option<Value>,
    fields: Map<String, Value>,
    volumes: Vec<Value>,
}

impl App {
    /// An idle app with one replica and no annotation.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            replicas: 1,
            annotations: Map::new(),
            script: IDLE.to_owned(),
            grace: 30,
            variable: None,
            fields: Map::new(),
            volumes: Vec::new(),
        }
    }

    /// An idle app that claims from these pools.
    pub fn claiming(name: &str, pools: &str) -> Self {
        Self::named(name).annotation("cairn.dev/pool", pools)
    }

    /// Adds an annotation to its pods.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }

    /// Sets the number of replicas.
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets the shell script that it runs.
    #[must_use]
    pub fn script(mut self, script: &str) -> Self {
        script.clone_into(&mut self.script);
        self
    }

    /// Sets the seconds between SIGTERM and SIGKILL.
    #[must_use]
    pub fn grace(mut self, seconds: u32) -> Self {
        self.grace = seconds;
        self
    }

    /// Adds an environment variable, given as an entry of `env`.
    #[must_use]
    pub fn env(mut self, entry: Value) -> Self {
        self.variable = Some(entry);
        self
    }

    /// Sets a field of its container, such as a probe.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.fields.insert(field.to_owned(), value);
        self
    }

    /// Adds a volume for [`crate::journal`].
    #[must_use]
    pub fn journal(mut self) -> Self {
        self.volumes.push(object!({"name": "journal", "emptyDir": {}}));
        self.with("volumeMounts", object!([{"name": "journal", "mountPath": JOURNAL}]))
    }

    /// The template of its pods.
    fn template(&self, restart: &str) -> Value {
        let mut container = object!({
            "name": "app",
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", self.script],
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
            },
        });
        if let (Some(entry), Some(container)) = (&self.variable, container.as_object_mut()) {
            container.insert("env".to_owned(), object!([entry]));
        }
        if let Some(container) = container.as_object_mut() {
            container.extend(self.fields.clone());
        }
        object!({
            "metadata": {"labels": {"app": self.name}, "annotations": self.annotations},
            "spec": {
                "restartPolicy": restart,
                "terminationGracePeriodSeconds": self.grace,
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
                "volumes": self.volumes,
            },
        })
    }

    /// The app as a Deployment.
    pub fn deployment(&self) -> Value {
        object!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name},
            "spec": {
                "replicas": self.replicas,
                "selector": {"matchLabels": {"app": self.name}},
                "template": self.template("Always"),
            },
        })
    }

    /// The app as a Job.
    pub fn job(&self) -> Value {
        object!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": self.name},
            "spec": {"backoffLimit": 0, "template": self.template("Never")},
        })
    }

    /// The app as a bare pod.
    pub fn pod(&self) -> Value {
        let mut pod = self.template("Always");
        if let Some(pod) = pod.as_object_mut() {
            pod.insert("apiVersion".to_owned(), "v1".into());
            pod.insert("kind".to_owned(), "Pod".into());
            if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("name".to_owned(), self.name.clone().into());
            }
        }
        pod
    }
}
