//! The flags about etcd, and their check against each other.

use cairn_core::contract::flag;
use cairn_store::cluster::ClusterIdError;
use cairn_store::etcd::TlsFiles;
use cairn_store::prefix::KeyPrefixError;
use thiserror::Error;

use super::{Endpoints, EndpointsError, EtcdTarget, Identity};

const CA: &str = "--etcd-cacert";
const CERTIFICATE: &str = "--etcd-cert";
const KEY: &str = "--etcd-key";

/// How to reach etcd.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct EtcdArgs {
    /// etcd members, comma separated
    #[arg(long, env = "CAIRN_ETCD", value_name = "URL[,URL...]")]
    pub etcd: Option<String>,
    /// File with the CA that signed etcd's certificates; needed for https:// members
    #[arg(long, env = "CAIRN_ETCD_CACERT", value_name = "FILE")]
    pub etcd_cacert: Option<String>,
    /// File with the client certificate for etcd
    #[arg(long, env = "CAIRN_ETCD_CERT", value_name = "FILE")]
    pub etcd_cert: Option<String>,
    /// File with the client certificate's key
    #[arg(long, env = "CAIRN_ETCD_KEY", value_name = "FILE")]
    pub etcd_key: Option<String>,
    /// Id of the etcd cluster, in hex; no other cluster is talked to [default: the first that answers]
    #[arg(long, env = "CAIRN_ETCD_CLUSTER_ID", value_name = "HEX")]
    pub etcd_cluster_id: Option<String>,
    /// Prefix of all keys in etcd [default: /cairn/v1/]
    // Not CAIRN_ETCD_PREFIX: that is what the app of a pool named etcd gets.
    #[arg(long, env = "CAIRN_ETCD_KEY_ROOT", value_name = "/PATH/")]
    pub etcd_prefix: Option<String>,
}

/// Why the flags about etcd were refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EtcdArgsError {
    /// The members.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// https without a CA.
    #[error(
        "--etcd has https:// members but {CA} is missing; give the file of the CA that signed etcd's certificates"
    )]
    NoCa,
    /// TLS files without https.
    #[error("{0} is given but --etcd has http:// members; write https:// or leave {0} out")]
    TlsWithoutHttps(&'static str),
    /// Half of a key pair.
    #[error("{given} is given without {missing}; give both or neither")]
    HalfKeyPair {
        /// The flag that is there.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// Not a cluster id.
    #[error("--etcd-cluster-id {0}")]
    Cluster(ClusterIdError),
    /// Not a key prefix.
    #[error("--etcd-prefix {0}")]
    KeyPrefix(KeyPrefixError),
}

// === impl EtcdArgs ===

impl EtcdArgs {
    /// Which cluster and keys are meant.
    pub fn identity(&self) -> Result<Identity, EtcdArgsError> {
        let cluster = given(self.etcd_cluster_id.as_ref()).map(str::parse).transpose();
        let prefix = given(self.etcd_prefix.as_ref()).map(str::parse).transpose();
        Ok(Identity {
            cluster: cluster.map_err(EtcdArgsError::Cluster)?,
            prefix: prefix.map_err(EtcdArgsError::KeyPrefix)?.unwrap_or_default(),
        })
    }

    /// The first given flag that says where etcd is or how to connect to it.
    pub fn first_of_connection(&self) -> Option<&'static str> {
        let flags = [
            (flag::ETCD, &self.etcd),
            (CA, &self.etcd_cacert),
            (CERTIFICATE, &self.etcd_cert),
            (KEY, &self.etcd_key),
        ];
        flags.into_iter().find(|(_, value)| given(value.as_ref()).is_some()).map(|(flag, _)| flag)
    }

    /// Checks the flags against each other.
    pub fn target(&self) -> Result<EtcdTarget, EtcdArgsError> {
        let endpoints =
            Endpoints::parse(flag::ETCD, given(self.etcd.as_ref()).unwrap_or_default())?;
        let tls = self.tls(endpoints.is_secure())?;
        let Identity { cluster, prefix } = self.identity()?;
        Ok(EtcdTarget { endpoints, tls, cluster, prefix })
    }

    fn tls(&self, secure: bool) -> Result<Option<TlsFiles>, EtcdArgsError> {
        let [authority, certificate, key] = [&self.etcd_cacert, &self.etcd_cert, &self.etcd_key]
            .map(|file| given(file.as_ref()).map(str::to_owned));
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(EtcdArgsError::HalfKeyPair { given: CERTIFICATE, missing: KEY });
            }
            (None, Some(_)) => {
                return Err(EtcdArgsError::HalfKeyPair { given: KEY, missing: CERTIFICATE });
            }
        };
        match (secure, authority) {
            (true, Some(authority)) => Ok(Some(TlsFiles { authority, client })),
            (true, None) => Err(EtcdArgsError::NoCa),
            (false, Some(_)) => Err(EtcdArgsError::TlsWithoutHttps(CA)),
            (false, None) if client.is_some() => Err(EtcdArgsError::TlsWithoutHttps(CERTIFICATE)),
            (false, None) => Ok(None),
        }
    }
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}
