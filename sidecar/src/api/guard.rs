//! Who may use the claims API. It is for programs of the pod; this keeps everybody else out.
//!
//! | attack | what refuses it |
//! |---|---|
//! | another machine sends packets to 127.0.0.1 (a node with `route_localnet` takes them) | the peer's address |
//! | DNS rebinding: a page's own host name is made to resolve to 127.0.0.1 | the name that the request is for |
//! | a page of another site, or of another port of this machine, sends requests | `Origin`, `Sec-Fetch-Site` |
//!
//! A page that is refused learns nothing: no answer ever carries a CORS header. [`decide`] is pure; [`Guard::layer`]
//! puts it before every route, those that do not exist included. On the socket there are no names, so `Host` may be
//! anything there. Not for: processes of the pod, which may use the API under any uid; limits of connections and
//! bodies (`server.rs`) and of watchers (`sse.rs`).

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use cairn_kit::metrics::register;
use cairn_kit::serve::Peer;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tracing::debug;

use super::http::refuse;

/// Browsers send it with every request to an address that they trust; loopback is one. Pages cannot set it.
const FETCH_SITE: &str = "sec-fetch-site";

/// Why a request is not answered. The text is the message for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Forbidden {
    /// The peer is not on this machine, or it is not known where it is.
    #[error(
        "this API answers only clients in the same pod; connect from there, to 127.0.0.1 or to the socket"
    )]
    Peer,
    /// The request is for another host, or for none.
    #[error(
        "this API answers only requests for the host localhost, 127.0.0.1 or [::1]; use one of them in the URL"
    )]
    Host,
    /// A browser sent it for a page of another site.
    #[error(
        "this API does not answer browsers on behalf of other sites; ask from a program in the pod"
    )]
    CrossSite,
}

/// Asks [`decide`] and counts the refusals.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    refused: Family<ByReason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

// === impl Forbidden ===

impl Forbidden {
    fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Host => "host",
            Self::CrossSite => "cross_site",
        }
    }
}

// === impl Guard ===

impl Guard {
    /// Registers its counter as `api_refused`.
    pub fn register(registry: &mut Registry) -> Self {
        let help = "Requests to the claims API that did not come from a program of this pod";
        Self { refused: register(registry, "api_refused", help) }
    }

    /// The same routes behind the guard.
    pub(super) fn layer(self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self, check))
    }
}

async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    match decide(peer, request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => {
            guard.refused.get_or_create(&ByReason { reason: reason.name() }).inc();
            debug!(%reason, "request refused");
            refuse(StatusCode::FORBIDDEN, reason.to_string())
        }
    }
}

/// Whether to answer a request with this target and these headers. An unknown peer is a foreign one.
pub fn decide(peer: Option<Peer>, target: &Uri, headers: &HeaderMap) -> Result<(), Forbidden> {
    match peer {
        Some(Peer::Process(_)) => {}
        Some(Peer::Address(ip)) if ip.is_loopback() => is_for_this_machine(target, headers)?,
        Some(Peer::Address(_)) | None => return Err(Forbidden::Peer),
    }
    let of_this_site = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    let of_this_machine = |origin: &HeaderValue| origin.to_str().is_ok_and(is_local_origin);
    let here = headers.get_all(FETCH_SITE).iter().all(of_this_site)
        && headers.get_all(ORIGIN).iter().all(of_this_machine);
    if here { Ok(()) } else { Err(Forbidden::CrossSite) }
}

/// One `Host` names this machine, and so does the target, if it names a host at all. Without a `Host` the target names
/// it: that is how HTTP/2 says it.
fn is_for_this_machine(target: &Uri, headers: &HeaderMap) -> Result<(), Forbidden> {
    let target = target.authority().map(|authority| is_local(authority.as_str()));
    let mut hosts = headers.get_all(HOST).iter();
    let local = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(is_local) && target.unwrap_or(true),
        (None, _) => target.unwrap_or(false),
        (Some(_), Some(_)) => false,
    };
    if local { Ok(()) } else { Err(Forbidden::Host) }
}

/// `http://localhost:3000`, but not `null`, which sandboxed frames and local files send.
fn is_local_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.is_some_and(is_local)
}

/// `localhost` or a loopback address, which DNS cannot make point elsewhere, with or without a port.
///
/// The port may be any: with `kubectl port-forward` it is the one on the user's machine.
fn is_local(authority: &str) -> bool {
    let bracketed = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (local, port) = if let Some((address, port)) = bracketed {
        (address.parse().is_ok_and(|ip: Ipv6Addr| ip.to_canonical().is_loopback()), port)
    } else {
        let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let loopback = name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback());
        (loopback || name.eq_ignore_ascii_case("localhost"), port)
    };
    local && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests;
