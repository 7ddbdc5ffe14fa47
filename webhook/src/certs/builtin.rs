//! The built-in mode: carries out the steps of [`super::rotation`].

use cairn_core::time::UnixMillis;
use thiserror::Error;
use tracing::info;

use super::configurations::{ConfigurationError, Found};
use super::lives::Lives;
use super::mint::{self, MintError};
use super::record::Record;
use super::rotation::{Rotation, Step};
use super::secret::{self, SecretError, SharedSecret};
use super::site::{Outcome, Site};
use super::trusted::Untrusted;

/// Certificates from an authority of our own.
#[derive(Debug)]
pub struct BuiltIn {
    secret: SharedSecret,
    lives: Lives,
    rotation: Rotation,
}

/// What failed.
#[derive(Debug, Error)]
pub enum BuiltInError {
    /// The Secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A configuration.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// A new certificate.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// A new leaf is not trusted where the present one is.
    #[error("a new certificate is not served")]
    Untrusted(#[from] Untrusted),
}

// === impl BuiltIn ===

impl BuiltIn {
    /// With this Secret.
    pub fn new(secret: SharedSecret, lives: Lives) -> Self {
        Self { secret, lives, rotation: Rotation::new(lives) }
    }

    /// One step. The configurations were read just now; the Secret is read here, after them.
    pub async fn step(
        &mut self,
        found: &Found,
        site: &mut Site,
        now: UnixMillis,
    ) -> Result<Outcome, BuiltInError> {
        let stored = self.secret.read().await?;
        let live = found.live();
        let step = self.rotation.step(&live, &stored.stored(now), now);
        if let Some(record) = self.rotation.known() {
            site.announce(&record.bundle());
        }
        match step {
            Step::Write { record, why } => self.write(&stored, &record, &why).await?,
            Step::Mint(vacancy) => {
                let (record, why) = vacancy.filled(mint::authority(&self.lives, now)?, now);
                self.write(&stored, &record, why).await?;
            }
            Step::Publish(bundle) => site.configurations.publish(found, &bundle).await?,
            Step::Serve(authority) => {
                let minted = mint::leaf(&authority, &site.names, &self.lives, now)?;
                // A certificate that is trusted is not replaced with one that is not.
                if site.check(&live, now).is_ok() {
                    site.accepts(&minted.key, &live, now)?;
                }
                site.serve(minted.key, minted.not_after, authority.certificate().not_after());
                self.rotation.serve(&authority, now, minted.not_after);
            }
            Step::Rest(until) => return Ok(Outcome::Rest(until)),
        }
        Ok(Outcome::Again)
    }

    async fn write(
        &self,
        found: &secret::Found,
        record: &Record,
        why: &str,
    ) -> Result<(), BuiltInError> {
        if self.secret.write(found, record).await? {
            let (secret, generation) = (self.secret.name(), record.generation);
            info!(secret, generation, signer = ?record.signer.certificate(), "{why}");
        }
        Ok(())
    }
}
