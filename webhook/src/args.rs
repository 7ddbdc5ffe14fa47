//! The command line. Every flag has a variable; flags win.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::duration;
use cairn_kit::etcd::{Endpoints, EndpointsError, EtcdArgs, https_port};
use cairn_kit::log::LogArgs;
use clap::{Parser, ValueEnum};
use thiserror::Error;

use crate::admission::settings::{DnsNeed, Settings};
use crate::certs::args::CertificateArgs;
use crate::env_mode::EnvMode;
use crate::etcd_ca::LifeArgs;
use etcd::{EtcdAccess, IsolationArgs, IsolationError};
use mirror::MirrorArgs;
use sidecar::SidecarArgs;

pub mod etcd;
pub mod mirror;
pub mod sidecar;

const SIDECAR_ETCD: &str = "--sidecar-etcd";

/// A renewal that fails is tried again every few seconds.
const SHORTEST_LIFE: Duration = Duration::from_secs(15);

/// The control plane of Cairn: admission, pools, the claims mirror and certificates.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cairn-webhook",
    version,
    after_help = "It runs inside a cluster, as the chart installs it.\n\n\
        `cairn-webhook etcd-member --help` is about the members of the bundled etcd.\n\
        `cairn-webhook etcd-certificate --help` is about access to etcd for administrators.\n\
        `cairn-webhook etcd-authorities --help` is about replacing the authorities of etcd's TLS.\n\n\
        Exit codes: 0 asked to stop, 1 failed, 2 wrong flags."
)]
pub struct Args {
    /// Where the API server calls, with TLS; by default every address of IPv6 and IPv4
    #[arg(
        long,
        env = "CAIRN_ADMISSION_LISTEN",
        value_name = "ADDR",
        default_value = "[::]:10250",
        value_parser = address
    )]
    pub admission_listen: SocketAddr,
    /// Where sidecars get access to etcd, with TLS
    #[arg(
        long,
        env = "CAIRN_AGENT_LISTEN",
        value_name = "ADDR",
        default_value = "[::]:8443",
        value_parser = address
    )]
    pub agent_listen: SocketAddr,
    /// Where health and metrics are served, without TLS
    #[arg(
        long,
        env = "CAIRN_ADMIN_LISTEN",
        value_name = "ADDR",
        default_value = "[::]:9090",
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
    /// Where certificates come from.
    #[command(flatten)]
    pub certificates: CertificateArgs,
    /// How the claims mirror writes.
    #[command(flatten)]
    pub mirror: MirrorArgs,
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
    /// Who may write what in etcd.
    #[command(flatten)]
    pub isolation: IsolationArgs,
    /// How long the certificates of the bundled etcd are valid.
    #[command(flatten)]
    pub lives: LifeArgs,
    /// How long a pod's certificate for etcd is valid; it is renewed at two thirds of that
    #[arg(
        long,
        env = "CAIRN_CERTIFICATE_LIFE",
        value_name = "DURATION",
        default_value = "24h",
        value_parser = duration::parse
    )]
    pub certificate_life: Duration,
    /// URL of the agent as sidecars reach it [default: the Service, with the port of --agent-listen]
    #[arg(long, env = "CAIRN_AGENT_URL", value_name = "URL")]
    pub agent_url: Option<String>,
    /// etcd members as sidecars reach them [default: those of --etcd]
    #[arg(long, env = "CAIRN_SIDECAR_ETCD", value_name = "URL[,URL...]")]
    pub sidecar_etcd: Option<String>,
    /// What every sidecar gets.
    #[command(flatten)]
    pub sidecar: SidecarArgs,
    /// How variables reach app containers when a pod does not say
    #[arg(long, env = "CAIRN_ENV_MODE", value_name = "MODE", default_value = "auto")]
    pub env_mode: EnvModeArg,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Why flags were refused that clap takes.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ArgsError {
    /// Where etcd is, and who may write what.
    #[error(transparent)]
    Etcd(#[from] IsolationError),
    /// Where etcd is for sidecars.
    #[error(transparent)]
    SidecarEtcd(#[from] EndpointsError),
    /// Sidecars would have no way to verify members, or authorities for members without TLS.
    #[error("{SIDECAR_ETCD} and --etcd differ in http:// and https://; use one of them for both")]
    MixedSchemes,
    /// An agent that could be anybody.
    #[error(
        "--agent-url '{0}' is not an https:// URL with a port; write it like \
         https://cairn-webhook.cairn-system.svc:8443"
    )]
    AgentUrl(String),
    /// A certificate that ends before it is used.
    #[error("--certificate-life is shorter than {SHORTEST_LIFE:?}; pods could not renew in time")]
    ShortLife,
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
    /// How to reach etcd, and where certificates come from.
    pub fn etcd_access(&self) -> Result<EtcdAccess, ArgsError> {
        Ok(self.isolation.access(&self.etcd, &self.namespace)?)
    }

    /// The members as sidecars reach them.
    pub fn sidecar_endpoints(&self, etcd: &EtcdAccess) -> Result<Endpoints, ArgsError> {
        let endpoints = match &self.sidecar_etcd {
            Some(text) => Endpoints::parse(SIDECAR_ETCD, text)?,
            None => etcd.endpoints.clone(),
        };
        if endpoints.is_secure() != etcd.endpoints.is_secure() {
            return Err(ArgsError::MixedSchemes);
        }
        Ok(endpoints)
    }

    /// How long a pod's certificate is valid.
    pub fn certificate_life(&self) -> Result<Duration, ArgsError> {
        let life = self.certificate_life;
        if life < SHORTEST_LIFE { Err(ArgsError::ShortLife) } else { Ok(life) }
    }

    /// What every sidecar gets.
    pub fn settings(&self, etcd: &EtcdAccess) -> Result<Settings, ArgsError> {
        let image = self.sidecar.sidecar_image.trim();
        if image.is_empty() {
            return Err(ArgsError::NoImage);
        }
        let port = self.agent_listen.port();
        let agent = match &self.agent_url {
            Some(url) => url.clone(),
            None => format!("https://{}.{}.svc:{port}", self.service, self.namespace),
        };
        let Some(agent_port) = https_port(&agent) else {
            return Err(ArgsError::AgentUrl(agent));
        };
        let endpoints = self.sidecar_endpoints(etcd)?;
        let urls = endpoints.urls().iter().map(String::as_str).chain([&*agent]);
        let dns = DnsNeed::of(urls, &self.certificates.cluster_domain);
        Ok(Settings {
            image: image.to_owned(),
            pull_policy: self.sidecar.pull_policy(),
            dns,
            container: Arc::new(self.sidecar.container()),
            agent,
            outbound_ports: endpoints.ports().iter().copied().chain([agent_port]).collect(),
            etcd_cluster_id: etcd.identity.cluster,
            etcd_prefix: etcd.identity.prefix.clone(),
            log_level: self.sidecar.sidecar_log_level.clone(),
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
    text.parse().map_err(|_| format!("'{text}' is not an address; write it like [::]:10250"))
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

    fn settings(more: &[&str]) -> Result<Settings, String> {
        let args = args(more);
        let etcd = args.etcd_access().map_err(|error| error.to_string())?;
        args.settings(&etcd).map_err(|error| error.to_string())
    }

    const BUNDLED: [&str; 2] = ["--etcd=https://a:2379", "--etcd-ca-secret=ca"];

    #[test]
    fn sidecars_are_sent_to_the_agent_of_this_service() {
        let [etcd, secret] = BUNDLED;
        let found = settings(&[etcd, secret]).unwrap();
        assert_eq!(found.agent, "https://cairn-webhook.cairn.svc:8443");
        assert_eq!(found.outbound_ports, [2379, 8443]);
        let other = settings(&[etcd, secret, "--agent-url=https://agent:9", "--service=w"]);
        assert_eq!(other.unwrap().outbound_ports, [2379, 9]);
    }

    #[test]
    fn sidecars_get_the_webhooks_etcd_unless_a_flag_names_another() {
        let flags = ["--etcd=http://a:2379, http://b:2379", "--isolation=none"];
        let plain = args(&flags);
        let etcd = plain.etcd_access().unwrap();
        assert_eq!(
            plain.sidecar_endpoints(&etcd).unwrap().to_string(),
            "http://a:2379,http://b:2379"
        );
        let other = args(&[flags[0], flags[1], "--sidecar-etcd=http://c:2380"]);
        assert_eq!(other.sidecar_endpoints(&etcd).unwrap().urls(), ["http://c:2380"]);
    }

    #[test]
    fn flags_that_do_not_fit_together_are_refused_with_what_to_write() {
        let [etcd, secret] = BUNDLED;
        for (flags, expected) in [
            (&["--etcd="][..], "--etcd is missing; give the URLs of etcd"),
            (&[etcd], "--isolation=namespaces needs an issuer"),
            (&[etcd, secret, "--sidecar-etcd=http://a:1"], "--sidecar-etcd and --etcd differ in"),
            (
                &[etcd, secret, "--agent-url=http://a:1"],
                "--agent-url 'http://a:1' is not an https://",
            ),
        ] {
            let message = settings(flags).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
        let short = args(&["--certificate-life=1s"]).certificate_life().unwrap_err().to_string();
        assert!(short.starts_with("--certificate-life is shorter than 15s"), "{short}");
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
                "--mirror-requests-per-second=0",
                "--mirror-requests-per-second: '0' is not a number from 1 on; write it like 200",
            ),
            (
                "--certificate-lives=retain=6d",
                "--certificate-lives: retain must be at least leaf, so that no served leaf loses its authority",
            ),
            (
                "--admission-listen=x",
                "--admission-listen: 'x' is not an address; write it like [::]:10250",
            ),
        ] {
            let argv = ["cairn-webhook"].into_iter().chain(line.split(' '));
            let error = Args::try_parse_from(argv).unwrap_err();
            assert_eq!(usage::message(&error, "cairn-webhook"), expected, "{line}");
        }
    }
}
