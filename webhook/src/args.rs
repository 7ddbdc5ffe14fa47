//! The command line. Every flag has a variable; flags win.

use std::net::SocketAddr;

use axum::http::Uri;
use cairn_store::cluster::ClusterIdError;
use cairn_store::etcd::{Connection, TlsFiles};
use cairn_store::prefix::KeyPrefixError;
use cairn_store::{ClusterId, ExpectedCluster, KeyPrefix};
use clap::{Parser, ValueEnum};

use crate::admission::inject::{EnvMode, Settings};

pub mod sentence;

/// The control plane of Cairn: admission, pools, the claims mirror and certificates.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cairn-webhook",
    version,
    after_help = "It runs inside a cluster, as the chart installs it.\n\n\
        `cairn-webhook etcd-member --help` is about the members of the bundled etcd.\n\n\
        Exit codes: 0 asked to stop, 1 failed, 2 wrong flags."
)]
pub struct Args {
    /// Where the API server calls, with TLS
    #[arg(
        long,
        env = "CAIRN_ADMISSION_LISTEN",
        value_name = "ADDR",
        default_value = "0.0.0.0:10250"
    )]
    pub admission_listen: SocketAddr,
    /// Where health and metrics are served, without TLS
    #[arg(long, env = "CAIRN_ADMIN_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:9090")]
    pub admin_listen: SocketAddr,
    /// The namespace of this process
    #[arg(long, env = "POD_NAMESPACE", value_name = "NS")]
    pub namespace: String,
    /// The pod of this process
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: String,
    /// The Service that the API server calls
    #[arg(long, env = "CAIRN_SERVICE", value_name = "NAME", default_value = "cairn-webhook")]
    pub service: String,
    /// The mutating webhook configuration to put caBundle into
    #[arg(long, env = "CAIRN_WEBHOOK_CONFIG", value_name = "NAME", default_value = "cairn")]
    pub webhook_config: String,
    /// The validating webhook configuration to put caBundle into
    #[arg(long, env = "CAIRN_POOL_WEBHOOK_CONFIG", value_name = "NAME", default_value = "cairn")]
    pub pool_webhook_config: String,
    /// The Secret with the authority that all replicas share
    #[arg(long, env = "CAIRN_SECRET", value_name = "NAME", default_value = "cairn-webhook-ca")]
    pub secret: String,
    /// The Lease of the replica that writes
    #[arg(long, env = "CAIRN_MIRROR_LEASE", value_name = "NAME", default_value = "cairn-mirror")]
    pub mirror_lease: String,
    /// etcd members, comma separated
    #[arg(long, env = "CAIRN_ETCD", value_name = "URL[,URL...]")]
    pub etcd: String,
    /// File with the CA that signed etcd's certificates; needed for https:// members
    #[arg(long, env = "CAIRN_ETCD_CACERT", value_name = "FILE")]
    pub etcd_cacert: Option<String>,
    /// File with the client certificate for etcd
    #[arg(long, env = "CAIRN_ETCD_CERT", value_name = "FILE", requires = "etcd_key")]
    pub etcd_cert: Option<String>,
    /// File with the client certificate's key
    #[arg(long, env = "CAIRN_ETCD_KEY", value_name = "FILE", requires = "etcd_cert")]
    pub etcd_key: Option<String>,
    /// Id of the etcd cluster, in hex; no other cluster is talked to [default: the first that answers]
    #[arg(long, env = "CAIRN_ETCD_CLUSTER_ID", value_name = "HEX")]
    pub etcd_cluster_id: Option<String>,
    /// Prefix of all keys in etcd [default: /cairn/v1/]
    // Not CAIRN_ETCD_PREFIX: that is what the app of a pool named etcd gets.
    #[arg(long, env = "CAIRN_ETCD_KEY_ROOT", value_name = "/PATH/")]
    pub etcd_prefix: Option<String>,
    /// The `ConfigMap` in which this installation is recorded
    #[arg(
        long,
        env = "CAIRN_INSTALLATION_RECORD",
        value_name = "NAME",
        default_value = "cairn-installation"
    )]
    pub installation_record: String,
    /// The `ConfigMap` in which the members of the bundled etcd record its cluster
    #[arg(long, env = "CAIRN_ETCD_RECORD", value_name = "NAME")]
    pub etcd_record: Option<String>,
    /// etcd members as sidecars reach them [default: those of --etcd]
    #[arg(long, env = "CAIRN_SIDECAR_ETCD", value_name = "URL[,URL...]")]
    pub sidecar_etcd: Option<String>,
    /// The image of the sidecar
    #[arg(long, env = "CAIRN_SIDECAR_IMAGE", value_name = "IMAGE")]
    pub sidecar_image: String,
    /// Its pull policy [default: that of Kubernetes]
    #[arg(long, env = "CAIRN_SIDECAR_IMAGE_PULL_POLICY", value_name = "POLICY")]
    pub sidecar_image_pull_policy: Option<String>,
    /// How variables reach app containers when a pod does not say
    #[arg(long, env = "CAIRN_ENV_MODE", value_name = "MODE", default_value = "auto")]
    pub env_mode: EnvModeArg,
    /// How to log
    #[arg(long, env = "CAIRN_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// `--env-mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnvModeArg {
    /// The best that works.
    Auto,
    /// From the env file.
    File,
    /// From the claim annotations.
    Annotation,
    /// None.
    None,
}

/// `--log-format`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
}

// === impl Args ===

impl Args {
    /// The members of `--etcd`.
    pub fn etcd_endpoints(&self) -> Result<Vec<String>, String> {
        let endpoints = endpoints("--etcd", &self.etcd)?;
        if self.etcd_cacert.is_none() && endpoints.iter().any(|url| url.starts_with("https://")) {
            return Err(
                "--etcd has an https:// member; say whom to trust with --etcd-cacert".into()
            );
        }
        Ok(endpoints)
    }

    /// How to talk to etcd; an empty cluster id or prefix is as good as none.
    pub fn etcd_connection(&self) -> Result<Connection, String> {
        let cluster =
            self.etcd_cluster_id()?.map_or(ExpectedCluster::Any, ExpectedCluster::Required);
        Ok(Connection {
            tls: self.etcd_tls(),
            prefix: self.etcd_prefix()?,
            cluster,
            home_of: Some(self.pod_name.clone()),
            ..Connection::new(&self.etcd_endpoints()?)
        })
    }

    /// The cluster of `--etcd-cluster-id`.
    pub fn etcd_cluster_id(&self) -> Result<Option<ClusterId>, String> {
        let id = given(self.etcd_cluster_id.as_ref()).map(str::parse).transpose();
        id.map_err(|error: ClusterIdError| format!("--etcd-cluster-id {error}"))
    }

    /// The prefix of `--etcd-prefix`.
    pub fn etcd_prefix(&self) -> Result<KeyPrefix, String> {
        let prefix = given(self.etcd_prefix.as_ref()).map(str::parse).transpose();
        let prefix = prefix.map_err(|error: KeyPrefixError| format!("--etcd-prefix {error}"))?;
        Ok(prefix.unwrap_or_default())
    }

    /// Files for TLS towards etcd.
    pub fn etcd_tls(&self) -> Option<TlsFiles> {
        let authority = self.etcd_cacert.clone()?;
        Some(TlsFiles { authority, client: self.etcd_cert.clone().zip(self.etcd_key.clone()) })
    }

    /// What every sidecar gets.
    pub fn settings(&self) -> Result<Settings, String> {
        let (flag, text) = match &self.sidecar_etcd {
            Some(text) => ("--sidecar-etcd", text),
            None => ("--etcd", &self.etcd),
        };
        let endpoints = endpoints(flag, text)?;
        let mut ports: Vec<u16> = endpoints.iter().filter_map(|url| port(url)).collect();
        ports.sort_unstable();
        ports.dedup();
        let image = self.sidecar_image.trim();
        if image.is_empty() {
            return Err("--sidecar-image is empty; name the image of the sidecar".to_owned());
        }
        Ok(Settings {
            image: image.to_owned(),
            pull_policy: self.sidecar_image_pull_policy.clone().filter(|policy| !policy.is_empty()),
            etcd: endpoints.join(","),
            etcd_ports: ports,
            etcd_cluster_id: self.etcd_cluster_id()?,
            etcd_prefix: self.etcd_prefix()?,
        })
    }
}

// === impl EnvModeArg ===

impl From<EnvModeArg> for Option<EnvMode> {
    fn from(arg: EnvModeArg) -> Self {
        match arg {
            EnvModeArg::Auto => None,
            EnvModeArg::File => Some(EnvMode::File),
            EnvModeArg::Annotation => Some(EnvMode::Annotation),
            EnvModeArg::None => Some(EnvMode::None),
        }
    }
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn endpoints(flag: &str, text: &str) -> Result<Vec<String>, String> {
    let list: Vec<String> =
        text.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect();
    if list.is_empty() {
        return Err(format!("{flag} is empty; write it like http://etcd:2379"));
    }
    match list.iter().find(|url| port(url).is_none()) {
        Some(bad) => Err(format!("{flag}: '{bad}' is not a URL; write it like http://etcd:2379")),
        None => Ok(list),
    }
}

fn port(url: &str) -> Option<u16> {
    let uri: Uri = url.parse().ok()?;
    match (uri.scheme_str()?, uri.host()?) {
        (_, "") => None,
        ("http", _) => Some(uri.port_u16().unwrap_or(80)),
        ("https", _) => Some(uri.port_u16().unwrap_or(443)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(more: &[&str]) -> Args {
        let least = ["cairn-webhook", "--namespace=cairn", "--pod-name=w", "--sidecar-image=i:1"];
        Args::try_parse_from(least.iter().chain(more)).unwrap()
    }

    #[test]
    fn sidecars_get_the_webhooks_etcd_unless_told_otherwise() {
        let settings = args(&["--etcd=http://a:2379, http://b:2379"]).settings().unwrap();
        assert_eq!(settings.etcd, "http://a:2379,http://b:2379");
        assert_eq!(settings.etcd_ports, [2379]);
        let other = args(&["--etcd=http://a:2379", "--sidecar-etcd=http://c:2380"]);
        assert_eq!(other.settings().unwrap().etcd_ports, [2380]);
    }

    #[test]
    fn bad_endpoints_are_refused_with_what_to_write() {
        let say = |etcd: &str| args(&[&format!("--etcd={etcd}")]).etcd_endpoints().unwrap_err();
        assert_eq!(say(""), "--etcd is empty; write it like http://etcd:2379");
        assert_eq!(
            say("etcd:2379"),
            "--etcd: 'etcd:2379' is not a URL; write it like http://etcd:2379"
        );
        assert!(say("https://etcd:2379").contains("--etcd-cacert"));
    }
}
