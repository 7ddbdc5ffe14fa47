//! What the session machine is told of this pod.

use cairn_core::coordination::session;
use uuid::Uuid;

use crate::claim::Deps;
use crate::coordination::Link;

/// The machine's configuration, with a random word for this process.
pub(super) fn config(deps: &Deps, link: &Link) -> session::Config {
    let config = &link.own.config;
    let nonce = Uuid::new_v4();
    let (seed, _) = nonce.as_u64_pair();
    session::Config {
        uid: deps.holder.uid.clone(),
        pod: deps.holder.pod.clone(),
        node: deps.holder.node.clone(),
        terms: config.terms.clone(),
        endpoints: config.endpoints.clone(),
        generation: config.generation.clone(),
        admitted: config.admitted.unwrap_or_else(|| deps.clock.now().wall),
        nonce: nonce.simple().to_string(),
        seed,
        define_missing: !deps.config.in_pod,
    }
}
