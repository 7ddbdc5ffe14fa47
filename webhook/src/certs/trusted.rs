//! Whether the API server takes what is served, and what the kubelet is told about it.
//!
//! Ready means: every live `caBundle` verifies the served certificate for our Service now, and its key belongs to it.

use cairn_core::time::UnixMillis;
use cairn_kit::errors::report;
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tracing::warn;

use super::live::Live;
use super::verify::{VerifyError, verify};
use crate::ready::{Block, Ready};

/// The name of the readiness block.
pub const BLOCK: &str = "certificate";

/// Why the API server would not take a certificate.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Untrusted {
    /// Nothing to serve yet.
    #[error("there is no certificate yet")]
    Nothing,
    /// Certificate and key.
    #[error("the key does not belong to the certificate")]
    Key(#[source] rustls::Error),
    /// One of the bundles.
    #[error("caBundle of {place} does not verify the certificate")]
    Bundle {
        /// Which one.
        place: String,
        /// Why.
        #[source]
        source: VerifyError,
    },
}

/// The block of readiness.
#[derive(Debug)]
pub struct Trusted {
    ready: Ready,
    block: Option<Block>,
}

/// Whether every live bundle verifies a certificate for this name, and its key belongs to it.
pub fn check(
    key: &CertifiedKey,
    live: &Live,
    name: &str,
    now: UnixMillis,
) -> Result<(), Untrusted> {
    key.keys_match().map_err(Untrusted::Key)?;
    for bundle in live.bundles() {
        verify(&key.cert, &bundle.pem, name, now)
            .map_err(|source| Untrusted::Bundle { place: bundle.place.clone(), source })?;
    }
    Ok(())
}

// === impl Trusted ===

impl Trusted {
    /// Not trusted yet.
    pub fn new(ready: Ready) -> Self {
        let block = Some(ready.register(BLOCK));
        Self { ready, block }
    }

    /// Lifts the block or sets it again.
    pub fn show(&mut self, checked: Result<(), Untrusted>) {
        match checked {
            Ok(()) => drop(self.block.take()),
            Err(untrusted) if self.block.is_none() => {
                self.block = Some(self.ready.register(BLOCK));
                warn!("not ready: {}", report(&untrusted));
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::authority::Authority;
    use super::super::lives::Lives;
    use super::super::mint;
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
    const NAME: &str = "cairn-webhook.cairn.svc";

    fn authority() -> Authority {
        mint::authority(&Lives::default(), NOW).unwrap()
    }

    fn live(bundles: &[&str]) -> Live {
        let mut live = Live::default();
        for (index, bundle) in bundles.iter().enumerate() {
            live.push(format!("webhook {index}"), bundle.as_bytes().to_vec());
        }
        live
    }

    #[test]
    fn one_bundle_that_does_not_verify_the_certificate_is_enough() {
        let ours = authority();
        let leaf = mint::leaf(&ours, &[NAME.to_owned()], &Lives::default(), NOW).unwrap();
        let (good, other) = (ours.certificate().pem(), authority().certificate().pem());
        let both = format!("{other}{good}");
        assert_eq!(check(&leaf.key, &live(&[&good, &both]), NAME, NOW), Ok(()));
        assert_eq!(check(&leaf.key, &live(&[]), NAME, NOW), Ok(()), "nobody calls");
        for bad in ["", "garbage", &other] {
            let refused = check(&leaf.key, &live(&[&good, bad]), NAME, NOW).unwrap_err();
            let message = refused.to_string();
            assert_eq!(message, "caBundle of webhook 1 does not verify the certificate");
        }
        let over = leaf.not_after.after(Duration::from_secs(1));
        assert!(check(&leaf.key, &live(&[&good]), NAME, over).is_err());
    }

    #[test]
    fn a_key_of_another_certificate_is_noticed() {
        let ours = authority();
        let [one, other] = [(); 2]
            .map(|()| mint::leaf(&ours, &[NAME.to_owned()], &Lives::default(), NOW).unwrap().key);
        let mixed = CertifiedKey { cert: one.cert, ..other };
        let live = live(&[&ours.certificate().pem()]);
        assert!(matches!(check(&mixed, &live, NAME, NOW), Err(Untrusted::Key(_))));
    }

    #[test]
    fn readiness_is_lost_and_comes_back() {
        let ready = Ready::default();
        let mut trusted = Trusted::new(ready.clone());
        trusted.show(Err(Untrusted::Nothing));
        assert_eq!(ready.pending(), [BLOCK]);
        trusted.show(Ok(()));
        assert!(ready.pending().is_empty());
        trusted.show(Err(Untrusted::Nothing));
        assert_eq!(ready.pending(), [BLOCK]);
        trusted.show(Ok(()));
        assert!(ready.pending().is_empty());
    }
}
