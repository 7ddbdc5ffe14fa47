//! The flags that say what every sidecar gets.

use cairn_core::request::resources::Resources;
use cairn_kit::log::{LogFilter, LogFormat};
use clap::ValueEnum;

use crate::admission::settings::ContainerSettings;

/// What every sidecar gets.
#[derive(Clone, Debug, clap::Args)]
pub struct SidecarArgs {
    /// The image of the sidecar
    #[arg(long, env = "CAIRN_SIDECAR_IMAGE", value_name = "IMAGE")]
    pub sidecar_image: String,
    /// Its pull policy [default: that of Kubernetes]
    #[arg(long, env = "CAIRN_SIDECAR_IMAGE_PULL_POLICY", value_name = "POLICY")]
    pub sidecar_image_pull_policy: Option<String>,
    /// Secrets that pods get as imagePullSecrets for that image, comma separated; each namespace must have them
    #[arg(
        long,
        env = "CAIRN_SIDECAR_IMAGE_PULL_SECRETS",
        value_name = "NAME[,NAME...]",
        value_delimiter = ','
    )]
    pub sidecar_image_pull_secrets: Vec<String>,
    /// Requests and limits of sidecars, in the words of the annotation cairn.dev/resources
    #[arg(
        long,
        env = "CAIRN_SIDECAR_RESOURCES",
        value_name = "RESOURCES",
        value_parser = resources
    )]
    pub sidecar_resources: Option<Resources>,
    /// The seccomp profile of sidecars; none where the cluster forbids to name one
    #[arg(
        long,
        env = "CAIRN_SIDECAR_SECCOMP_PROFILE",
        value_name = "PROFILE",
        default_value = "runtime-default"
    )]
    pub sidecar_seccomp_profile: SeccompProfile,
    /// How much sidecars log, in the words of --log-level
    #[arg(long, env = "CAIRN_SIDECAR_LOG", value_name = "LEVEL", default_value = "info")]
    pub sidecar_log_level: LogFilter,
    /// How sidecars log
    #[arg(long, env = "CAIRN_SIDECAR_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub sidecar_log_format: LogFormat,
}

/// `--sidecar-seccomp-profile`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SeccompProfile {
    /// That of the container runtime, which Pod Security `restricted` requires.
    #[default]
    RuntimeDefault,
    /// The container says nothing.
    None,
}

// === impl SidecarArgs ===

impl SidecarArgs {
    /// The image's pull policy; `None` leaves it to Kubernetes.
    pub fn pull_policy(&self) -> Option<String> {
        self.sidecar_image_pull_policy.clone().filter(|policy| !policy.is_empty())
    }

    /// What differs from the defaults of the container.
    pub fn container(&self) -> ContainerSettings {
        let secrets = self.sidecar_image_pull_secrets.iter().map(|name| name.trim());
        ContainerSettings {
            log_format: self.sidecar_log_format,
            resources: self.sidecar_resources.clone().unwrap_or_default(),
            no_seccomp_profile: self.sidecar_seccomp_profile == SeccompProfile::None,
            pull_secrets: secrets.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        }
    }
}

fn resources(text: &str) -> Result<Resources, String> {
    Resources::parse(text).map_err(|error| error.to_string())
}
