//! Where the record is kept, how large the StatefulSet is, and where reasons are told.

use thiserror::Error;

use super::reason::Reason;
use super::record::Record;
use crate::config_map::ConfigMapError;

pub mod kubernetes;

/// What the members share.
pub trait Registry {
    /// The record with its version; `None` when there is none.
    fn load(&self) -> impl Future<Output = Result<Option<Stored>, RegistryError>>;

    /// Replaces the version that was loaded, or creates the record; false when somebody else has
    /// written meanwhile.
    fn save(
        &self,
        record: &Record,
        over: Option<&str>,
    ) -> impl Future<Output = Result<bool, RegistryError>>;

    /// How many members the StatefulSet is to run.
    fn replicas(&self) -> impl Future<Output = Result<u32, RegistryError>>;

    /// Shows people why this member waits. Best effort.
    fn tell(&self, reason: &Reason) -> impl Future<Output = ()>;
}

/// A record as it was loaded.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Its version, for the compare.
    pub version: String,
}

/// Why the registry does not answer.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// Reading or writing the record.
    #[error(transparent)]
    ConfigMap(#[from] ConfigMapError),
    /// The record is not one.
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
