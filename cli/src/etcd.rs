//! From flags to everything that Cairn keeps in etcd, or one sentence that says what to do.
//!
//! Every member is tried before there is no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_core::keys;
use cairn_store::ExpectedCluster::{self, Required};
use cairn_store::cluster::ClusterIdError;
use cairn_store::etcd::{Connection, Etcd, TlsFiles};
use cairn_store::prefix::KeyPrefixError;
use cairn_store::{Class, KeyValue, Kv as _};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use thiserror::Error;

use crate::args::EtcdArgs;

/// Why there is nothing to show.
#[derive(Debug, Error)]
pub enum EtcdError {
    /// No endpoints.
    #[error("--etcd is missing; give the URLs of etcd, like --etcd http://127.0.0.1:2379")]
    Missing,
    /// Not a URL.
    #[error("--etcd '{0}' is not a URL with a port; write it like http://127.0.0.1:2379")]
    Endpoint(String),
    /// http and https together.
    #[error("--etcd mixes http:// and https://; use one of them for every member")]
    MixedSchemes,
    /// https without a CA.
    #[error(
        "--etcd has https:// members but --etcd-cacert is missing; give the file of the CA that signed etcd's certificates"
    )]
    NoCa,
    /// TLS files without https.
    #[error("{0} is given but --etcd has http:// members; write https:// or leave {0} out")]
    TlsWithoutHttps(&'static str),
    /// Half of a key pair.
    #[error("{given} is given without {missing}; give both files")]
    HalfPair {
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
    /// The TLS files cannot be used.
    #[error("{}; correct the --etcd-cacert, --etcd-cert and --etcd-key flags", .0.report())]
    Setup(cairn_store::Error),
    /// The system is out of something.
    #[error("cannot start: {0}; free some memory or file descriptors and try again")]
    Runtime(std::io::Error),
    /// etcd said no.
    #[error("{}; give --etcd-cert and --etcd-key of a user who may read and write {}", .0.report(), keys::ROOT)]
    Denied(cairn_store::Error),
    /// etcd did not say whether it was done.
    #[error("{}; it may have been done all the same, look with cairn claims and try again", .0.report())]
    Unsure(cairn_store::Error),
    /// No member answered.
    #[error("{}; is etcd running at the --etcd address?", .0.report())]
    Unreachable(cairn_store::Error),
}

// === impl EtcdError ===

impl EtcdError {
    /// Whether the flags are wrong, rather than the world.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Runtime(_) | Self::Denied(_) | Self::Unsure(_) | Self::Unreachable(_))
    }
}

impl From<cairn_store::Error> for EtcdError {
    fn from(error: cairn_store::Error) -> Self {
        match error.class() {
            Class::Denied => Self::Denied(error),
            _ => Self::Unreachable(error),
        }
    }
}

/// All of Cairn's keys, at one revision.
pub async fn read(args: &EtcdArgs) -> Result<Vec<KeyValue>, EtcdError> {
    let (etcd, members) = connect(args).await?;
    let (_, found) = ask_each(members, async || etcd.list(keys::ROOT).await).await?;
    Ok(found)
}

/// How long these leases have left; those that are gone are left out.
pub async fn leases(
    args: &EtcdArgs,
    ids: impl IntoIterator<Item = i64>,
) -> Result<BTreeMap<i64, Duration>, EtcdError> {
    /// One connection carries many requests; this many keep it busy.
    const AT_ONCE: usize = 32;
    let ids: BTreeSet<i64> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (etcd, members) = connect(args).await?;
    let left = async |lease: i64| {
        let left = ask_each(members, async || etcd.time_to_live(lease).await).await?;
        Ok::<_, EtcdError>(left.map(|left| (lease, left)))
    };
    let found: Vec<_> = stream::iter(ids).map(left).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Asks until a member has answered, or each has had its turn.
async fn ask_each<T>(
    members: usize,
    request: impl AsyncFn() -> Result<T, cairn_store::Error>,
) -> Result<T, EtcdError> {
    let mut untried = members;
    loop {
        untried -= 1;
        match request().await {
            // The connection has moved on to the next member by itself.
            Err(error) if error.is_transient() && untried > 0 => {}
            answer => return answer.map_err(EtcdError::from),
        }
    }
}

/// A connection, lazy as yet, and how many members it knows.
pub async fn connect(args: &EtcdArgs) -> Result<(Etcd, usize), EtcdError> {
    let members = members(args.etcd.as_deref())?;
    let tls = tls(args, members.iter().any(|member| member.starts_with("https://")))?;
    let given = |text: &'_ Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let cluster = given(&args.etcd_cluster_id).map(|text| text.trim().parse()).transpose();
    let prefix = given(&args.etcd_prefix).map(|text| text.trim().parse()).transpose();
    let connection = Connection {
        tls,
        cluster: cluster.map_err(EtcdError::Cluster)?.map_or(ExpectedCluster::Any, Required),
        prefix: prefix.map_err(EtcdError::KeyPrefix)?.unwrap_or_default(),
        ..Connection::new(&members)
    };
    let etcd = Etcd::open(&connection).await.map_err(EtcdError::Setup)?;
    Ok((etcd, members.len()))
}

fn members(etcd: Option<&str>) -> Result<Vec<String>, EtcdError> {
    let given = etcd.filter(|given| !given.trim().is_empty()).ok_or(EtcdError::Missing)?;
    let members: Vec<String> =
        given.split(',').map(|member| member.trim().trim_end_matches('/').to_owned()).collect();
    if let Some(bad) = members.iter().find(|member| !is_endpoint(member)) {
        return Err(EtcdError::Endpoint(bad.clone()));
    }
    let secure = members.iter().filter(|member| member.starts_with("https://")).count();
    if secure != 0 && secure != members.len() {
        return Err(EtcdError::MixedSchemes);
    }
    Ok(members)
}

fn is_endpoint(text: &str) -> bool {
    let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    authority.and_then(|authority| authority.rsplit_once(':')).is_some_and(|(host, port)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        !host.is_empty()
            && host.chars().all(plain)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn tls(args: &EtcdArgs, secure: bool) -> Result<Option<TlsFiles>, EtcdError> {
    const FLAGS: [&str; 3] = ["--etcd-cacert", "--etcd-cert", "--etcd-key"];
    let [_, certificate, key] = FLAGS;
    let files = [&args.etcd_cacert, &args.etcd_cert, &args.etcd_key];
    if !secure {
        let given = FLAGS.into_iter().zip(files).find(|(_, file)| file.is_some());
        return given.map_or(Ok(None), |(flag, _)| Err(EtcdError::TlsWithoutHttps(flag)));
    }
    let client = match (&args.etcd_cert, &args.etcd_key) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        (None, None) => None,
        (Some(_), None) => {
            return Err(EtcdError::HalfPair { given: certificate, missing: key });
        }
        (None, Some(_)) => {
            return Err(EtcdError::HalfPair { given: key, missing: certificate });
        }
    };
    let authority = args.etcd_cacert.clone().ok_or(EtcdError::NoCa)?;
    Ok(Some(TlsFiles { authority, client }))
}
