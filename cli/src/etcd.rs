//! Reads Cairn's keys from the etcd of the flags. Each error is one message that says what to do.
//!
//! A request fails only after every member was tried.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_core::keys;
use cairn_kit::etcd::{EtcdArgs, EtcdArgsError};
use cairn_store::etcd::Etcd;
use cairn_store::{Class, KeyValue, Kv as _};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use thiserror::Error;

/// Why etcd could not be read or written.
#[derive(Debug, Error)]
pub enum EtcdError {
    /// The flags are wrong.
    #[error(transparent)]
    Args(#[from] EtcdArgsError),
    /// The TLS files cannot be used.
    #[error("{}; correct the --etcd-cacert, --etcd-cert and --etcd-key flags", .0.report())]
    Setup(cairn_store::Error),
    /// The runtime cannot start.
    #[error("cannot start: {0}; free some memory or file descriptors and try again")]
    Runtime(std::io::Error),
    /// etcd denies access.
    #[error(
        "{}; give --etcd-cert and --etcd-key of a user who may read and write {}",
        .0.report(),
        keys::ROOT
    )]
    Denied(cairn_store::Error),
    /// The result of a write is unknown.
    #[error("{}; it may have been done all the same, look with cairn claims and try again", .0.report())]
    Unsure(cairn_store::Error),
    /// No member responded.
    #[error("{}; is etcd running at the --etcd address?", .0.report())]
    Unreachable(cairn_store::Error),
}

// === impl EtcdError ===

impl EtcdError {
    /// Whether the flags are wrong.
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

/// Reads all of Cairn's keys at one revision.
pub async fn read(args: &EtcdArgs) -> Result<Vec<KeyValue>, EtcdError> {
    let (etcd, members) = connect(args).await?;
    let (_, found) = ask_each(members, async || etcd.list(keys::ROOT).await).await?;
    Ok(found)
}

/// The time left of each lease, without those that have ended.
pub async fn leases(
    args: &EtcdArgs,
    ids: impl IntoIterator<Item = i64>,
) -> Result<BTreeMap<i64, Duration>, EtcdError> {
    /// The number of parallel requests on the connection.
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

/// Sends a request until a member has responded or every member was tried.
async fn ask_each<T>(
    members: usize,
    request: impl AsyncFn() -> Result<T, cairn_store::Error>,
) -> Result<T, EtcdError> {
    let mut untried = members;
    loop {
        untried -= 1;
        match request().await {
            // The connection has moved to the next member.
            Err(error) if error.is_transient() && untried > 0 => {}
            answer => return answer.map_err(EtcdError::from),
        }
    }
}

/// A connection that opens at its first request, and the number of its members.
pub async fn connect(args: &EtcdArgs) -> Result<(Etcd, usize), EtcdError> {
    let target = args.target()?;
    let etcd = Etcd::open(&target.connection()).await.map_err(EtcdError::Setup)?;
    Ok((etcd, target.endpoints.urls().len()))
}
