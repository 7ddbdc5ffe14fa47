//! The shared state of the members: the record, the authorities, the size of the StatefulSet, and Events.

use std::sync::Arc;

use thiserror::Error;

use super::reason::Reason;
use super::record::Record;
use crate::config_map::ConfigMapError;
use crate::etcd_ca::Authorities;
use crate::etcd_ca::keeper::KeeperError;

pub mod kubernetes;

/// The shared state of the members.
pub trait Registry {
    /// The record with its version; `None` when there is none.
    fn load(&self) -> impl Future<Output = Result<Option<Stored>, RegistryError>>;

    /// Replaces the loaded version, or creates the record. False if another member has written meanwhile.
    fn save(
        &self,
        record: &Record,
        over: Option<&str>,
    ) -> impl Future<Output = Result<bool, RegistryError>>;

    /// The authorities of etcd's TLS. They are made when there are none, and kept as
    /// [`Keeper`](crate::etcd_ca::keeper::Keeper) says.
    fn authorities(&self) -> impl Future<Output = Result<Arc<Authorities>, RegistryError>>;

    /// How many members the StatefulSet is to run.
    fn replicas(&self) -> impl Future<Output = Result<u32, RegistryError>>;

    /// Publishes why this member waits. Best effort.
    fn publish(&self, reason: &Reason) -> impl Future<Output = ()>;
}

/// A record as it was loaded.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Its version, for the compare.
    pub version: String,
}

/// Why a request to the registry failed.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// Reading or writing the record.
    #[error(transparent)]
    ConfigMap(#[from] ConfigMapError),
    /// Reading or writing the authorities.
    #[error(transparent)]
    Authorities(#[from] KeeperError),
    /// The record is unreadable.
    #[error(
        "the ConfigMap {name} is not readable; restore it, it says which etcd cluster is Cairn's"
    )]
    Format {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Reading the StatefulSet.
    #[error("could not read the StatefulSet {name}")]
    StatefulSet {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
}
