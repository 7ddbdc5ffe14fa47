//! Enrols with the webhook's agent in place of a sidecar, with any token, and uses what it gives on etcd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::access::Access;
use crate::cluster::Cluster;
use crate::etcd;
use crate::install::{NAMESPACE, WEBHOOK};
use crate::pod::Pod;
use crate::run::{Output, run};
use crate::{Failure, json};

/// A client of the agent.
#[derive(Debug)]
pub struct Enroller {
    cluster: Cluster,
    helper: PathBuf,
    dir: TempDir,
}

/// What the agent answered.
#[derive(Debug)]
pub enum Answer {
    /// Access to etcd.
    Given(PodAccess),
    /// The gRPC code and its message.
    Refused(String, String),
}

/// Access to etcd, as files.
#[derive(Debug)]
pub struct PodAccess {
    cluster: Cluster,
    dir: TempDir,
    /// The answer.
    pub answer: Value,
}

impl Enroller {
    /// A client that runs the helper `cairn-enrol`.
    pub fn of(cluster: &Cluster, helper: &str) -> Result<Self, Failure> {
        let dir = temporary()?;
        let enroller = Self { cluster: cluster.clone(), helper: helper.into(), dir };
        enroller.make_request("/CN=root")?;
        Ok(enroller)
    }

    /// Enrols with this token. The request for a certificate names etcd's administrator.
    pub fn enrol(&self, token: &str) -> Result<Answer, Failure> {
        let output = self.call(&["once"], token, &[])?;
        let answer = output.json()?;
        if let (Some(code), Some(message)) =
            (json::text(&answer, "/code"), json::text(&answer, "/message"))
        {
            return Ok(Answer::Refused(code, message));
        }
        let access = PodAccess { cluster: self.cluster.clone(), dir: temporary()?, answer };
        let chain = json::text(&access.answer, "/chain").unwrap_or_default();
        let authorities = json::text(&access.answer, "/authorities").unwrap_or_default();
        write(access.dir.path(), "tls.crt", &chain)?;
        write(access.dir.path(), "ca.crt", &authorities)?;
        let key = self.file("key.pem");
        fs::copy(&key, access.dir.path().join("tls.key"))
            .map_err(|source| Failure::File { path: key, source })?;
        Ok(Answer::Given(access))
    }

    /// Enrols many times and returns how long each took, in microseconds.
    pub fn enrol_many(&self, token: &str, count: u32, parallel: u32) -> Result<Vec<u64>, Failure> {
        let (count, parallel) = (count.to_string(), parallel.to_string());
        let printed = self.call(&["many"], token, &[&count, &parallel])?.ok()?;
        Ok(printed.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Replaces the request for a certificate: a new key, and a subject that must not be believed.
    pub fn make_request(&self, subject: &str) -> Result<(), Failure> {
        let (key, request) = (self.file("key.pem"), self.file("request.pem"));
        let mut command = Command::new("openssl");
        command.args(["req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt"]);
        command.args(["ec_paramgen_curve:prime256v1", "-subj", subject]);
        command.args(["-addext", "subjectAltName=DNS:root", "-keyout"]);
        command.arg(key).arg("-out").arg(request);
        run(&mut command, None)?.ok().map(drop)
    }

    /// The request for a certificate, as it is sent.
    pub fn request(&self) -> PathBuf {
        self.file("request.pem")
    }

    fn call(&self, verb: &[&str], token: &str, rest: &[&str]) -> Result<Output, Failure> {
        let dir = self.dir.path();
        write(dir, "ca.pem", &authority(&self.cluster)?)?;
        write(dir, "token", token)?;
        let service = self.cluster.get(&["-n", NAMESPACE, "service", WEBHOOK])?;
        let ip = json::text(&service, "/spec/clusterIP").unwrap_or_default();
        let [ca, token, request] =
            ["ca.pem", "token", "request.pem"].map(|name| self.file(name).display().to_string());
        let helper = self.helper.to_string_lossy();
        let (address, name) = (format!("{ip}:8443"), format!("{WEBHOOK}.{NAMESPACE}.svc"));
        let args = [&*address, &*name, &*ca, &*token, &*request];
        self.cluster.enter(&[&[&*helper], verb, &args[..], rest].concat())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Answer {
    /// The access; an error if it was refused.
    pub fn given(self) -> Result<PodAccess, Failure> {
        match self {
            Self::Given(access) => Ok(access),
            Self::Refused(code, message) => Err(Failure::new(format!("{code}: {message}"))),
        }
    }

    /// The code and message of a refusal; an error if access was given.
    pub fn refused(self) -> Result<(String, String), Failure> {
        match self {
            Self::Refused(code, message) => Ok((code, message)),
            Self::Given(access) => {
                Err(Failure::new(format!("access was given: {}", access.answer)))
            }
        }
    }
}

impl PodAccess {
    /// Runs etcdctl with this certificate, in the cluster's network.
    pub fn etcdctl(&self, args: &[&str]) -> Result<Output, Failure> {
        run(&mut self.command(args)?, None)
    }

    /// Puts keys in one transaction.
    pub fn put_all(&self, keys: &[(&str, &str)]) -> Result<Output, Failure> {
        // etcdctl reads compares, then requests on success, then those on failure, each list ended by an empty line.
        let put =
            |(key, value): &(&str, &str)| format!("put {key} \"{}\"", value.replace('"', "\\\""));
        let puts: Vec<String> = keys.iter().map(put).collect();
        run(&mut self.command(&["txn"])?, Some(&format!("\n{}\n\n\n", puts.join("\n"))))
    }

    fn command(&self, args: &[&str]) -> Result<Command, Failure> {
        let mut command = self.cluster.entering();
        command.arg("etcdctl").arg(format!("--endpoints={}", etcd::url(&self.cluster, etcd::POD)?));
        command.args(Access::in_folder(self.dir.path()).etcdctl_flags()).args(args);
        Ok(command)
    }
}

/// A token for the agent that is bound to a pod, as the kubelet mounts it.
pub fn token_of(pod: &Pod<'_>) -> Result<String, Failure> {
    pod.namespace().kubectl(&[
        "create",
        "token",
        "default",
        "--audience=cairn.dev",
        "--bound-object-kind=Pod",
        &format!("--bound-object-name={}", pod.name),
    ])
}

/// The authorities that the API server trusts for the webhook.
fn authority(cluster: &Cluster) -> Result<String, Failure> {
    let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
    let bundle = cluster.kubectl(&["get", "mutatingwebhookconfiguration", WEBHOOK, "-o", path])?;
    let mut decode = Command::new("base64");
    run(decode.arg("-d"), Some(&bundle.ok()?))?.ok()
}

fn temporary() -> Result<TempDir, Failure> {
    tempfile::tempdir().map_err(|source| Failure::File { path: "/tmp".into(), source })
}

fn write(dir: &Path, name: &str, content: &str) -> Result<(), Failure> {
    let path = dir.join(name);
    fs::write(&path, content).map_err(|source| Failure::File { path, source })
}
