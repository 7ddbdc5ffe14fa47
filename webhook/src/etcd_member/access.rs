//! How a member reaches the membership of etcd: with TLS, as the user root.

use std::time::Duration;

use cairn_core::time::UnixMillis;
use cairn_store::access::UserName;
use cairn_store::etcd::TlsPem;

use crate::etcd_ca::{Authorities, IssueError};

/// One certificate serves one round of requests. This is room for a clock that is ahead of etcd's.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// What a connection to a member needs.
pub fn access(authorities: &Authorities, now: UnixMillis) -> Result<TlsPem, IssueError> {
    // The user that may change the membership. etcd takes it from the certificate's common name.
    let root = UserName::root();
    let client = authorities.clients.issuer.client(root.as_str(), LIFE, now)?;
    Ok(TlsPem { authorities: authorities.members.root.chain.clone(), client: Some(client) })
}
