//! The command line. Every flag has a variable; flags win.

use std::net::SocketAddr;

use cairn_core::contract::flag;
use cairn_kit::etcd::{Endpoints, EndpointsError, EtcdArgs, EtcdArgsError, EtcdTarget};
use cairn_kit::log::{LogArgs, LogFilter};
use cairn_store::etcd::Connection;
use clap::{Parser, ValueEnum};
use thiserror::Error;

use crate::admission::settings::Settings;
use crate::env_mode::EnvMode;

const SIDECAR_ETCD: &str = "--sidecar-etcd";

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
        default_value = "0.0.0.0:10250",
        value_parser = address
    )]
    pub admission_listen: SocketAddr,
    /// Where health and metrics are served, without TLS
    #[arg(
        long,
        env = "CAIRN_ADMIN_LISTEN",
        value_name = "ADDR",
        default_value = "0.0.0.0:9090",
        value_parser = address
    )]
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
    /// Where etcd is.
    #[command(flatten)]
    pub etcd: EtcdArgs,
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
    /// How much sidecars log, in the words of --log-level
    #[arg(long, env = "CAIRN_SIDECAR_LOG", value_name = "LEVEL", default_value = "info")]
    pub sidecar_log_level: LogFilter,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Why flags were refused that clap takes.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ArgsError {
    /// Where etcd is.
    #[error(transparent)]
    Etcd(#[from] EtcdArgsError),
    /// Where etcd is for sidecars.
    #[error(transparent)]
    SidecarEtcd(#[from] EndpointsError),
    /// A sidecar would refuse them: it needs a CA for them, and no pod is given one.
    #[error(
        "{0} has https:// members, but sidecars are not given the CA that they need for them; \
         list http:// members with {SIDECAR_ETCD}"
    )]
    SecureSidecars(&'static str),
    /// No image.
    #[error("--sidecar-image is empty; name the image of the sidecar")]
    NoImage,
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

// === impl Args ===

impl Args {
    /// How to talk to etcd.
    pub fn etcd_connection(&self) -> Result<Connection, ArgsError> {
        let connection = self.etcd.target()?.connection();
        Ok(Connection { home_of: Some(self.pod_name.clone()), ..connection })
    }

    /// What every sidecar gets.
    pub fn settings(&self) -> Result<Settings, ArgsError> {
        let EtcdTarget { endpoints, cluster, prefix, tls: _ } = self.etcd.target()?;
        let (flag, endpoints) = match &self.sidecar_etcd {
            Some(text) => (SIDECAR_ETCD, Endpoints::parse(SIDECAR_ETCD, text)?),
            None => (flag::ETCD, endpoints),
        };
        if endpoints.is_secure() {
            return Err(ArgsError::SecureSidecars(flag));
        }
        let image = self.sidecar_image.trim();
        if image.is_empty() {
            return Err(ArgsError::NoImage);
        }
        Ok(Settings {
            image: image.to_owned(),
            pull_policy: self.sidecar_image_pull_policy.clone().filter(|policy| !policy.is_empty()),
            etcd: endpoints.to_string(),
            etcd_ports: endpoints.ports().iter().copied().collect(),
            etcd_cluster_id: cluster,
            etcd_prefix: prefix,
            log_level: self.sidecar_log_level.clone(),
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

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("'{text}' is not an address; write it like 0.0.0.0:10250"))
}

#[cfg(test)]
mod tests {
    use cairn_kit::usage;
    use clap::CommandFactory as _;

    use super::*;

    fn args(more: &[&str]) -> Args {
        let least = ["cairn-webhook", "--namespace=cairn", "--pod-name=w", "--sidecar-image=i:1"];
        Args::try_parse_from(least.iter().chain(more)).unwrap()
    }

    #[test]
    fn sidecars_get_the_webhooks_etcd_unless_a_flag_names_another() {
        let settings = args(&["--etcd=http://a:2379, http://b:2379"]).settings().unwrap();
        assert_eq!(settings.etcd, "http://a:2379,http://b:2379");
        assert_eq!(settings.etcd_ports, [2379]);
        let other = args(&["--etcd=http://a:2379", "--sidecar-etcd=http://c:2380"]);
        assert_eq!(other.settings().unwrap().etcd_ports, [2380]);
    }

    #[test]
    fn members_that_a_sidecar_would_refuse_are_refused_with_what_to_write() {
        for (flags, expected) in [
            (&["--etcd="][..], "--etcd is missing; give the URLs of etcd"),
            (&["--etcd=etcd:2379"], "--etcd 'etcd:2379' is not a URL with a port"),
            (&["--etcd=http://etcd"], "--etcd 'http://etcd' is not a URL with a port"),
            (&["--etcd=https://etcd:2379"], "--etcd-cacert is missing"),
            (
                &["--etcd=https://etcd:2379", "--etcd-cacert=ca"],
                "--etcd has https:// members, but sidecars",
            ),
            (&["--etcd=http://etcd:2379", "--sidecar-etcd="], "--sidecar-etcd is missing"),
            (
                &["--etcd=http://etcd:2379", "--sidecar-etcd=https://etcd:2379"],
                "--sidecar-etcd has https:// members, but sidecars",
            ),
        ] {
            let message = args(flags).settings().unwrap_err().to_string();
            assert!(message.starts_with(expected) || message.contains(expected), "{message}");
        }
    }

    #[test]
    fn the_webhook_itself_may_reach_etcd_over_tls() {
        let flags = ["--etcd=https://a:2379", "--etcd-cacert=ca", "--sidecar-etcd=http://b:2379"];
        let args = args(&flags);
        assert_eq!(args.settings().unwrap().etcd, "http://b:2379");
        assert!(args.etcd_connection().unwrap().tls.is_some());
    }

    #[test]
    fn no_flag_reads_a_variable_that_an_app_gets() {
        assert_eq!(usage::flags_of_app_variables(Args::command()), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_command_line_gives_a_message_that_says_what_to_write() {
        for (line, expected) in [
            ("--etc=x", "--etc is not a flag of cairn-webhook; did you mean --etcd?"),
            ("--namespace=a --pod-name=b", "also give --sidecar-image <IMAGE>"),
            ("--etcd", "--etcd needs a value; write it like --etcd <URL[,URL...]>"),
            ("--env-mode=fil", "--env-mode 'fil' is not known; use auto, file, annotation or none"),
            (
                "--admission-listen=x",
                "--admission-listen: 'x' is not an address; write it like 0.0.0.0:10250",
            ),
        ] {
            let argv = ["cairn-webhook"].into_iter().chain(line.split(' '));
            let error = Args::try_parse_from(argv).unwrap_err();
            assert_eq!(usage::message(&error, "cairn-webhook"), expected, "{line}");
        }
    }
}
