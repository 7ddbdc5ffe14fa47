//! The Secret that the replicas share, written by compare-and-swap only, so that all end up with one record.

use cairn_core::time::UnixMillis;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Preconditions};
use thiserror::Error;

use super::record::Record;
use super::stored::{self, Data, Stored};

/// One Secret.
#[derive(Clone, Debug)]
pub struct SharedSecret {
    api: Api<Secret>,
    name: String,
}

/// The Secret as it was read.
#[derive(Clone, Debug)]
pub struct Found(Option<Secret>);

/// What failed.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Reading.
    #[error("could not read the Secret {name}")]
    Read {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// Writing.
    #[error("could not write the Secret {name}")]
    Write {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
}

// === impl Found ===

impl Found {
    /// Its data; `None` if there is no Secret.
    pub fn data(&self) -> Option<Data> {
        self.0.as_ref().map(|secret| secret.data.clone().unwrap_or_default())
    }

    /// What it holds as the Secret of the replicas.
    pub fn stored(&self, now: UnixMillis) -> Stored {
        self.data().map_or(Stored::Missing, |data| Stored::read(&data, now))
    }
}

// === impl SharedSecret ===

impl SharedSecret {
    /// The Secret of that name.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads it.
    pub async fn read(&self) -> Result<Found, SecretError> {
        let read = self.api.get_opt(&self.name).await;
        read.map(Found).map_err(|source| SecretError::Read { name: self.name.clone(), source })
    }

    /// Writes the record, unless the Secret has changed since `found`. False if it has.
    pub async fn write(&self, found: &Found, record: &Record) -> Result<bool, SecretError> {
        let data = Some(stored::data(record));
        let post = PostParams::default();
        let written = if let Some(secret) = &found.0 {
            // The resource version of what was read is the compare.
            self.api.replace(&self.name, &post, &Secret { data, ..secret.clone() }).await
        } else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let type_ = Some("Opaque".to_owned());
            self.api.create(&post, &Secret { metadata, data, type_, ..Secret::default() }).await
        };
        match written {
            Ok(_) => Ok(true),
            // Gone, or another replica has written.
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(false),
            // Somebody made it immutable, or of a type that requires other keys: only a new one helps.
            Err(kube::Error::Api(status)) if status.code == 422 => {
                self.remove(found).await.map(|()| false)
            }
            Err(source) => Err(SecretError::Write { name: self.name.clone(), source }),
        }
    }

    async fn remove(&self, found: &Found) -> Result<(), SecretError> {
        let metadata = found.0.as_ref().map(|secret| &secret.metadata);
        let preconditions = metadata.map(|metadata| Preconditions {
            resource_version: metadata.resource_version.clone(),
            uid: metadata.uid.clone(),
        });
        let delete = DeleteParams { preconditions, ..DeleteParams::default() };
        match self.api.delete(&self.name, &delete).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
            Err(source) => Err(SecretError::Write { name: self.name.clone(), source }),
        }
    }
}
