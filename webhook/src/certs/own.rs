//! The second mode: a Secret that somebody else fills, such as cert-manager.

use cairn_core::time::UnixMillis;
use cairn_kit::errors::report;
use thiserror::Error;
use tracing::warn;

use super::configurations::{ConfigurationError, Found};
use super::lives::Lives;
use super::secret::{SecretError, SharedSecret};
use super::site::{Outcome, Site};
use pair::Pair;
use switch::{Step, Switch};

pub mod pair;
pub mod switch;
#[cfg(test)]
mod testing;

/// Certificates from a Secret that is not ours to write.
#[derive(Debug)]
pub struct Own {
    secret: SharedSecret,
    name: String,
    lives: Lives,
    switch: Switch,
    refused: String,
}

/// What failed.
#[derive(Debug, Error)]
pub enum OwnError {
    /// The Secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A configuration.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

// === impl Own ===

impl Own {
    /// With this Secret, for a Service of this DNS name. `writes`: `caBundle` is ours to write.
    pub fn new(secret: SharedSecret, name: String, lives: Lives, writes: bool) -> Self {
        let switch = Switch::new(name.clone(), lives, writes);
        Self { secret, name, lives, switch, refused: String::new() }
    }

    /// One step. A Secret that cannot be served changes nothing: what is served stays.
    pub async fn step(
        &mut self,
        found: &Found,
        site: &mut Site,
        now: UnixMillis,
    ) -> Result<Outcome, OwnError> {
        let data = self.secret.read().await?.data();
        let pair = match Pair::read(data.as_ref(), &self.name, now) {
            Ok(pair) => pair,
            Err(refusal) => {
                self.refuse(&report(&refusal));
                return Ok(Outcome::Rest(now.after(self.lives.recheck())));
            }
        };
        self.refused.clear();
        site.announce(&self.switch.bundle(&pair));
        match self.switch.step(&found.live(), &pair, now) {
            Step::Publish(bundle) => site.configurations.publish(found, &bundle).await?,
            Step::Serve(pair) => {
                site.serve(pair.key.clone(), pair.not_after, pair.authority_not_after());
                self.switch.serve(pair);
            }
            Step::Rest(until) => return Ok(Outcome::Rest(until)),
        }
        Ok(Outcome::Again)
    }

    /// Logs a refusal once.
    fn refuse(&mut self, why: &str) {
        if self.refused != why {
            warn!(secret = self.secret.name(), "the Secret cannot be served: {why}");
            why.clone_into(&mut self.refused);
        }
    }
}
