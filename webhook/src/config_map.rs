//! Records that the program keeps in a `ConfigMap` of its namespace, changed by compare-and-swap.
//!
//! The compare is the resource version of the read. Not for objects that Helm renders: Helm would overwrite them.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::{Api, Client};
use thiserror::Error;

/// The `ConfigMap`s of a namespace.
#[derive(Clone, Debug)]
pub struct ConfigMaps(Api<ConfigMap>);

/// Why a record could not be read or written.
#[derive(Debug, Error)]
pub enum ConfigMapError {
    /// Reading.
    #[error("could not read the ConfigMap {name}")]
    Read {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// Writing.
    #[error("could not write the ConfigMap {name}")]
    Write {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
}

// === impl ConfigMaps ===

impl ConfigMaps {
    /// Those of `namespace`.
    pub fn of(client: Client, namespace: &str) -> Self {
        Self(Api::namespaced(client, namespace))
    }

    /// Reads a record; `None` when there is none.
    pub async fn read(&self, name: &str) -> Result<Option<ConfigMap>, ConfigMapError> {
        let found = self.0.get_opt(name).await;
        found.map_err(|source| ConfigMapError::Read { name: name.to_owned(), source })
    }

    /// Replaces the version that `record` carries, or creates the object if it carries none. False if another process
    /// has written meanwhile.
    pub async fn write(&self, name: &str, record: &ConfigMap) -> Result<bool, ConfigMapError> {
        let post = PostParams::default();
        let written = match &record.metadata.resource_version {
            Some(_) => self.0.replace(name, &post, record).await,
            None => self.0.create(&post, record).await,
        };
        match written {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(source) => Err(ConfigMapError::Write { name: name.to_owned(), source }),
        }
    }
}
