//! The command line of `cairn-webhook etcd-member`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use serde_json::{Map, Value};

use super::cluster::Topology;
use super::tls::MemberTls;
use crate::etcd_ca::LifeArgs;

/// Starts a member of the bundled etcd, and makes it a full member
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cairn-webhook etcd-member",
    bin_name = "cairn-webhook etcd-member",
    after_help = "It runs in etcd's pods, as the chart installs it."
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Who this is.
    #[command(flatten)]
    pub shared: Shared,
}

/// The two halves: before etcd starts, and while it runs.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Decides how this member starts, writes etcd's configuration and certificates and ends
    Start(Files),
    /// Runs beside etcd: promotes the member once it is in sync, and renews its certificate
    Watch(Files),
}

/// Who this member is and where the others are.
#[derive(Clone, Debug, ClapArgs)]
pub struct Shared {
    /// The namespace of this pod
    #[arg(
        long,
        env = "POD_NAMESPACE",
        value_name = "NS",
        global = true,
        default_value = "default"
    )]
    pub namespace: String,
    /// The name of this pod, which is the member's
    #[arg(long, env = "POD_NAME", value_name = "NAME", global = true, default_value = "")]
    pub pod_name: String,
    /// The UID of this pod
    #[arg(long, env = "POD_UID", value_name = "UID", global = true, default_value = "")]
    pub pod_uid: String,
    /// The address of this pod
    #[arg(long, env = "POD_IP", value_name = "IP", global = true)]
    pub pod_ip: Option<String>,
    /// The Secret with the authorities of etcd's TLS
    #[arg(long, value_name = "NAME", global = true, default_value = "cairn-etcd-ca")]
    pub ca_secret: String,
    /// Further names under which clients reach this member, besides those in the URLs
    #[arg(long = "host", value_name = "NAME", global = true)]
    pub hosts: Vec<String>,
    /// How long certificates live.
    #[command(flatten)]
    pub lives: LifeArgs,
    /// The `ConfigMap` with the record of the cluster
    #[arg(long, value_name = "NAME", global = true, default_value = "cairn-etcd-cluster")]
    pub record: String,
    /// Where members reach each other; {name} stands for the member's name, {ordinal} for its number
    #[arg(long, value_name = "URL", global = true, default_value = "https://{name}:2380")]
    pub peer_url: String,
    /// Where clients reach a member
    #[arg(long, value_name = "URL", global = true, default_value = "https://{name}:2379")]
    pub client_url: String,
}

/// Files and settings of etcd.
#[derive(Clone, Debug, ClapArgs)]
pub struct Files {
    /// etcd's data folder
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where to write etcd's configuration
    #[arg(long, value_name = "FILE")]
    pub config_out: PathBuf,
    /// Where to write the certificates, in memory
    #[arg(long, value_name = "DIR")]
    pub tls_dir: PathBuf,
    /// Settings of etcd that are the same for every member, as the JSON of its configuration file
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub etcd_config: String,
}

/// What [`Files`] mean.
#[derive(Clone, Debug)]
pub struct Settings {
    /// etcd's data folder.
    pub data_dir: PathBuf,
    /// Where its configuration goes.
    pub config_out: PathBuf,
    /// What every member has in it.
    pub common: Map<String, Value>,
    /// The certificates.
    pub tls: MemberTls,
}

// === impl Shared ===

impl Shared {
    /// The members' names and addresses.
    pub fn topology(&self) -> Result<Topology, String> {
        Topology::new(&self.pod_name, &self.peer_url, &self.client_url).ok_or_else(|| {
            format!(
                "--pod-name '{}' is no pod of a StatefulSet; write it like cairn-etcd-0",
                self.pod_name
            )
        })
    }
}

// === impl Files ===

impl Files {
    /// Reads the settings of the member that `topology` and `shared` name.
    pub fn settings(&self, topology: &Topology, shared: &Shared) -> Result<Settings, String> {
        let mut hosts = topology.hosts();
        hosts.extend(shared.hosts.iter().chain(&shared.pod_ip).cloned());
        // For administrators who forward a port.
        hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        hosts.retain(|host| !host.is_empty());
        hosts.sort();
        hosts.dedup();
        let tls = MemberTls { dir: self.tls_dir.clone(), hosts, lives: shared.lives.lives() };
        match serde_json::from_str(&self.etcd_config) {
            Ok(Value::Object(common)) => Ok(Settings {
                data_dir: self.data_dir.clone(),
                config_out: self.config_out.clone(),
                common,
                tls,
            }),
            _ => Err("--etcd-config is not a JSON object; write it like \
             '{\"quota-backend-bytes\":1073741824}'"
                .to_owned()),
        }
    }
}
