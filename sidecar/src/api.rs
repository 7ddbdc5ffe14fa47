//! The claims API, on the socket in the published directory and on loopback.
//!
//! Routes: `GET /v1/claims` and `/v1/claims/<pool>`, both with `?watch` as server-sent events; `/v1/probe`, which the
//! startup probe long-polls; `POST /v1/ids`, which mints IDs; and those of [`coordination`], also over gRPC. Any
//! process in the pod may use it: it is the pod's own. The [`guard`] refuses everybody else. Bodies are small.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use cairn_core::contract::path;
use tokio::net::UnixListener;

use crate::applied::Watch;
use crate::coordination::Coordination;
use crate::ids::Ids;
use crate::publish::file;

use self::guard::Guard;

pub mod coordination;
mod grpc;
pub mod guard;
pub mod http;
pub mod ids;
mod query;
pub mod sse;

/// A client needs write permission on the socket, and apps run under any uid.
const SOCKET_MODE: u32 = 0o666;

/// The path of the claims.
pub const CLAIMS: &str = "/v1/claims";
/// The path that the startup probe asks.
pub const PROBE: &str = "/v1/probe";

/// The path that drains this member.
pub const DRAIN: &str = "/v1/self/drain";

/// The longest body: the stop ids of some thousand shards.
const MAX_BODY: usize = 128 * 1024;

/// The path that mints IDs.
pub const IDS: &str = "/v1/ids";

/// The state of the handlers.
#[derive(Clone, Debug)]
pub struct Api {
    applied: Watch,
    watchers: sse::Watchers,
    /// `None` in a sidecar that can claim nothing.
    ids: Option<Ids>,
    /// `None` in a pod that does not coordinate.
    coordination: Option<Coordination>,
}

/// Returns the routes behind the guard. Without `ids` nothing is minted.
pub fn router(
    applied: Watch,
    ids: Option<Ids>,
    coordination: Option<Coordination>,
    guard: Guard,
) -> Router {
    let api = Api { applied, watchers: sse::Watchers::default(), ids, coordination };
    let grpc = grpc::routes(&api);
    let routes = Router::new()
        .route(CLAIMS, get(http::claims))
        .route("/v1/claims/{pool}", get(http::claim))
        .route(PROBE, get(http::probe))
        .route(IDS, post(ids::mint).fallback(ids::only_post))
        .merge(coordination::routes())
        .fallback(http::no_such_path)
        .method_not_allowed_fallback(http::only_get)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api)
        .merge(grpc);
    guard.layer(routes)
}

/// The path of the socket in a published directory.
pub fn socket_path(dir: &Path) -> PathBuf {
    dir.join(path::SOCKET)
}

/// Binds the socket in a directory and replaces the socket of an earlier process.
///
/// The socket gets its name after it is bound and open to every uid, so that every client that finds it can connect.
pub fn bind_socket(dir: &Path) -> io::Result<UnixListener> {
    let temporary = dir.join(file::temporary(path::SOCKET));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&temporary)?;
    fs::set_permissions(&temporary, Permissions::from_mode(SOCKET_MODE))?;
    fs::rename(&temporary, socket_path(dir))?;
    Ok(listener)
}
