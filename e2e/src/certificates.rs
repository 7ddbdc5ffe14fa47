//! The webhook's certificates as an operator sees them: its Secret, `caBundle` of its configurations, its metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::run::run;
use crate::webhook::{NAMESPACE, WEBHOOK};
use crate::{Done, Failure, json};

/// The Secret that the replicas share.
pub const SECRET: &str = "cairn-webhook-ca";

/// One of the two configurations.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Of pods.
    Mutating,
    /// Of pools.
    Validating,
}

/// The certificates of one cluster.
#[derive(Clone, Debug)]
pub struct Certificates {
    cluster: Cluster,
}

impl Kind {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Mutating, Self::Validating];

    fn resource(self) -> &'static str {
        match self {
            Self::Mutating => "mutatingwebhookconfiguration",
            Self::Validating => "validatingwebhookconfiguration",
        }
    }
}

impl Certificates {
    /// Of this cluster.
    pub fn of(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone() }
    }

    /// The content of a Secret of Cairn's namespace, as text.
    pub fn secret(&self, name: &str) -> Result<BTreeMap<String, String>, Failure> {
        let object = self.cluster.get(&["-n", NAMESPACE, "secret", name])?;
        let data = object.pointer("/data").and_then(Value::as_object);
        data.into_iter()
            .flatten()
            .map(|(key, value)| Ok((key.clone(), decode(value.as_str().unwrap_or_default())?)))
            .collect()
    }

    /// Replaces keys of a Secret of Cairn's namespace.
    pub fn put(&self, name: &str, data: &[(&str, &str)]) -> Done {
        let data: BTreeMap<_, _> = data.iter().copied().collect();
        let patch = json!({"stringData": data}).to_string();
        let args = ["-n", NAMESPACE, "patch", "secret", name, "--type=merge", "-p", &patch];
        self.cluster.kubectl(&args)?.ok().map(drop)
    }

    /// The certificates that each webhook of a configuration trusts, as PEM.
    pub fn bundles(&self, kind: Kind) -> Result<Vec<BTreeSet<String>>, Failure> {
        let object = self.configuration(kind)?;
        json::list(&object, "/webhooks")
            .iter()
            .map(|webhook| json::text(webhook, "/clientConfig/caBundle").unwrap_or_default())
            .map(|bundle| Ok(certificates(&decode(&bundle)?)))
            .collect()
    }

    /// A configuration as it is.
    pub fn configuration(&self, kind: Kind) -> Result<Value, Failure> {
        self.cluster.get(&[kind.resource(), WEBHOOK])
    }

    /// Puts this bundle into every webhook of a configuration; an empty one takes the field away.
    pub fn put_bundle(&self, kind: Kind, pem: &str) -> Done {
        let count = json::list(&self.configuration(kind)?, "/webhooks").len();
        let encoded = encode(pem)?;
        let patch: Vec<Value> = (0..count)
            .map(|index| format!("/webhooks/{index}/clientConfig/caBundle"))
            .map(|path| match pem {
                "" => json!({"op": "remove", "path": path}),
                _ => json!({"op": "replace", "path": path, "value": encoded}),
            })
            .collect();
        let patch = Value::from(patch).to_string();
        let args = ["patch", kind.resource(), WEBHOOK, "--type=json", "-p", &patch];
        self.cluster.kubectl(&args)?.ok().map(drop)
    }

    /// Deletes a configuration.
    pub fn delete(&self, kind: Kind) -> Done {
        self.cluster.kubectl(&["delete", kind.resource(), WEBHOOK])?.ok().map(drop)
    }

    /// Creates a configuration that was read before, without its bundles, as the chart does.
    pub fn create(&self, configuration: &Value) -> Done {
        let mut object = configuration.clone();
        if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| ["name", "labels", "annotations"].contains(&key.as_str()));
        }
        let webhooks = object.pointer_mut("/webhooks").and_then(Value::as_array_mut);
        for webhook in webhooks.into_iter().flatten() {
            if let Some(client) =
                webhook.pointer_mut("/clientConfig").and_then(Value::as_object_mut)
            {
                client.remove("caBundle");
            }
        }
        self.cluster.kubectl_with(&["create", "-f", "-"], &object.to_string())?.ok().map(drop)
    }

    /// When a certificate ends, in Unix seconds, as each running webhook says in its metrics.
    pub fn ends(&self, certificate: &str) -> Result<Vec<u64>, Failure> {
        let selector = "app.kubernetes.io/component=webhook";
        let pods = self.cluster.get(&["-n", NAMESPACE, "pods", "-l", selector])?;
        let line = format!("certificate_not_after_seconds{{certificate=\"{certificate}\"}} ");
        json::list(&pods, "/items")
            .iter()
            .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
            .filter_map(|pod| json::text(pod, "/metadata/name"))
            .map(|pod| {
                let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:9090/proxy/metrics");
                let text = self.cluster.kubectl(&["get", "--raw", &path])?.ok()?;
                text.lines()
                    .find_map(|found| found.split_once(&line)?.1.trim().parse().ok())
                    .ok_or_else(|| Failure::new(format!("{pod} has no metric '{line}'")))
            })
            .collect()
    }
}

/// The certificates of a PEM bundle, whatever their order.
pub fn certificates(pem: &str) -> BTreeSet<String> {
    const END: &str = "-----END CERTIFICATE-----";
    pem.split_inclusive(END)
        .filter(|part| part.ends_with(END))
        .map(|part| part.trim().to_owned())
        .collect()
}

fn decode(text: &str) -> Result<String, Failure> {
    run(Command::new("base64").arg("-d"), Some(text))?.ok()
}

fn encode(text: &str) -> Result<String, Failure> {
    run(Command::new("base64").arg("-w0"), Some(text))?.ok()
}
