//! The handle on which every transaction of the protocol is a method, and the life of a lease.

use std::time::Duration;

use cairn_core::lease::{Granted, LeaseId};
use cairn_core::time::BootInstant;

use crate::error::Error;
use crate::kv::Kv;

/// The claim protocol on a key-value store.
#[derive(Clone, Debug)]
pub struct Store<K> {
    kv: K,
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// The protocol on this key-value store.
    pub fn new(kv: K) -> Self {
        Self { kv }
    }

    /// The key-value store.
    pub fn kv(&self) -> &K {
        &self.kv
    }

    /// Grants a lease. `sent` is the instant before the call: a deadline may start there.
    pub async fn grant(&self, sent: BootInstant, ttl: Duration) -> Result<Granted, Error> {
        let (lease, ttl) = self.kv.grant(ttl).await?;
        Ok(Granted { sent, lease, ttl })
    }

    /// Revokes a lease.
    pub async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.kv.revoke(lease).await
    }
}
