//! What a claim knows of its pool.

use std::time::Duration;

use super::config::Config;
use super::inherited::Inherited;
use super::reason;
use super::view::PoolView;
use crate::keys::ClaimPath;
use crate::names::Names;
use crate::pool::{ClockRule, OnLoss, Pool, PoolName, Scope};

/// The lease TTL to ask for before any spec was read: that of numeric pools, the longest built-in one.
pub(super) const UNKNOWN_TTL: Duration = Duration::from_secs(61);

/// What is known of a pool.
#[derive(Clone, Debug)]
pub(super) struct KnownPool {
    name: PoolName,
    scope: Scope,
    /// Before a spec was read: the rule under which an earlier process held the name.
    on_loss: OnLoss,
    spec: Option<Pool>,
    spec_revision: i64,
    unusable: Option<String>,
    /// Others waited when it was last read.
    crowded: bool,
}

// === impl KnownPool ===

impl KnownPool {
    /// Before anything was read the scope is a guess. A wrong one costs one more read.
    pub(super) fn new(name: PoolName, before: Option<&Inherited>) -> Self {
        let guess = || Pool::builtin(&name).map_or(Scope::Namespace, |pool| pool.spec.scope);
        Self {
            scope: before.map_or_else(guess, |before| before.scope),
            on_loss: before.map_or(OnLoss::Keep, |before| before.on_loss),
            name,
            spec: None,
            spec_revision: 0,
            unusable: None,
            crowded: false,
        }
    }

    /// Takes in the pool's spec. A name that is held keeps its scope, and its pool if the spec is gone.
    pub(super) fn learn(&mut self, view: &PoolView, held: bool) {
        self.unusable = None;
        let Some((_, json, revision)) = view.specs.iter().find(|(pool, ..)| *pool == self.name)
        else {
            self.spec_revision = 0;
            self.spec = self.spec.take().filter(|_| held);
            return;
        };
        match Pool::from_json(self.name.clone(), json) {
            Ok(pool) => {
                if !held {
                    self.scope = pool.spec.scope;
                }
                self.spec = Some(pool);
                self.spec_revision = *revision;
            }
            Err(error) => self.unusable = Some(reason::unusable(&self.name, &error)),
        }
    }

    /// A slot of this pool was found, which shows its scope even if the spec is gone.
    pub(super) fn set_scope(&mut self, scope: Scope) {
        self.scope = scope;
    }

    pub(super) fn set_crowded(&mut self, crowded: bool) {
        self.crowded = crowded;
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.crowded
    }

    pub(super) fn name(&self) -> &PoolName {
        &self.name
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// The last spec that could be used.
    pub(super) fn spec(&self) -> Option<&Pool> {
        self.spec.as_ref()
    }

    pub(super) fn names(&self) -> Option<&Names> {
        self.spec.as_ref().map(|pool| &pool.names)
    }

    /// Mod revision of the spec; 0 when there is none.
    pub(super) fn spec_revision(&self) -> i64 {
        self.spec_revision
    }

    /// Why the spec that is in the store now cannot be used.
    pub(super) fn unusable(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    pub(super) fn on_loss(&self) -> OnLoss {
        self.spec.as_ref().map_or(self.on_loss, |pool| pool.spec.on_loss)
    }

    /// Whether time is reserved under the pool's names.
    pub(super) fn reserves(&self) -> bool {
        let rule = |pool: &Pool| pool.spec.clock == ClockRule::Reserve;
        self.spec.as_ref().map_or_else(|| Pool::builtin(&self.name).is_some_and(|p| rule(&p)), rule)
    }

    /// Whether time may be reserved under its names, as long as no spec says that it is not.
    pub(super) fn may_reserve(&self) -> bool {
        self.spec.is_none() || self.reserves()
    }

    /// Whether nobody can say yet how long a lease the pool needs.
    pub(super) fn is_unknown(&self) -> bool {
        self.spec.is_none() && Pool::builtin(&self.name).is_none()
    }

    /// The lease TTL that the pool needs.
    pub(super) fn lease_ttl(&self) -> Duration {
        match &self.spec {
            Some(pool) => pool.spec.lease_ttl(),
            None => Pool::builtin(&self.name).map_or(UNKNOWN_TTL, |pool| pool.spec.lease_ttl()),
        }
    }

    /// Validity and quarantine of a new claim.
    pub(super) fn terms(&self) -> (Duration, Duration) {
        let known = self.spec.as_ref().map(|pool| (pool.spec.validity, pool.spec.quarantine));
        known.unwrap_or((UNKNOWN_TTL, UNKNOWN_TTL))
    }

    /// Where the pool's slots of this pod are.
    pub(super) fn path(&self, config: &Config) -> ClaimPath {
        let group = config.group.clone();
        ClaimPath::new(self.name.clone(), self.scope, &config.holder.namespace, group)
    }
}
