//! Who may use the claims API. It is for programs of the pod; this keeps everybody else out.
//!
//! [`local::decide`] decides, as for every server that is for one machine alone. [`Guard::layer`] puts it before every
//! route, those that do not exist included. Not for: processes of the pod, which may use the API under any uid; limits
//! of connections and bodies (`server.rs`) and of watchers (`sse.rs`).

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use cairn_kit::metrics::register;
use cairn_kit::serve::Peer;
use cairn_kit::serve::local::{self, Forbidden};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tracing::debug;

use super::http::refuse;

/// Asks [`local::decide`] and counts the refusals.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    refused: Family<ByReason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
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
    match local::decide(peer, request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => {
            guard.refused.get_or_create(&ByReason { reason: label(reason) }).inc();
            let message = message(reason);
            debug!(message, "request refused");
            refuse(StatusCode::FORBIDDEN, message.to_owned())
        }
    }
}

/// As metrics name it.
const fn label(reason: Forbidden) -> &'static str {
    match reason {
        Forbidden::Peer => "peer",
        Forbidden::Host => "host",
        Forbidden::CrossSite => "cross_site",
    }
}

/// What the client is told.
fn message(reason: Forbidden) -> &'static str {
    match reason {
        Forbidden::Peer => {
            "this API answers only clients in the same pod; connect from there, to 127.0.0.1 or to the socket"
        }
        Forbidden::Host => {
            "this API answers only requests for the host localhost, 127.0.0.1 or [::1]; use one of them in the URL"
        }
        Forbidden::CrossSite => {
            "this API does not answer browsers on behalf of other sites; ask from a program in the pod"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_one_sentence_that_says_what_to_do() {
        for reason in [Forbidden::Peer, Forbidden::Host, Forbidden::CrossSite] {
            let message = message(reason);
            assert!(message.starts_with("this API ") && message.contains("; "), "{message}");
            assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
        }
    }
}
