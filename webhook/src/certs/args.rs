//! The flags about certificates.

use clap::Args;

use super::lives::Lives;

/// Where certificates come from.
#[derive(Clone, Debug, Args)]
pub struct CertificateArgs {
    /// The Secret with the authority that all replicas share
    #[arg(long, env = "CAIRN_SECRET", value_name = "NAME", default_value = "cairn-webhook-ca")]
    pub secret: String,
    /// A Secret with ca.crt, tls.crt and tls.key to serve, instead of certificates that Cairn makes
    #[arg(long, env = "CAIRN_SERVING_SECRET", value_name = "NAME")]
    pub serving_secret: Option<String>,
    /// Leave caBundle to another controller that fills it from --serving-secret, such as cert-manager's ca-injector
    #[arg(long, env = "CAIRN_LEAVE_CA_BUNDLE", requires = "serving_secret")]
    pub leave_ca_bundle: bool,
    /// The domain of the cluster's DNS, for the names in certificates
    #[arg(
        long,
        env = "CAIRN_CLUSTER_DOMAIN",
        value_name = "DOMAIN",
        default_value = "cluster.local"
    )]
    pub cluster_domain: String,
    /// How long certificates and the steps of their rotation last. For tests of rotations.
    #[arg(
        long,
        env = "CAIRN_CERTIFICATE_LIVES",
        value_name = "NAME=DURATION[,…]",
        hide = true,
        default_value = "",
        value_parser = lives
    )]
    pub certificate_lives: Lives,
}

fn lives(text: &str) -> Result<Lives, String> {
    if text.is_empty() {
        return Ok(Lives::default());
    }
    Lives::parse(text).map_err(|error| error.to_string())
}
