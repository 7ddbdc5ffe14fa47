//! Why an annotation about coordination was refused.

use thiserror::Error;

use crate::contract::annotation;
use crate::coordination::member::Role;
use crate::coordination::text::TextError;

/// A good value.
const ENDPOINTS: &str = "http=8080,grpc=9000";

/// Why an annotation about coordination was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CoordinationError {
    /// Without `cairn.dev/coordinate`.
    #[error(
        "annotation '{0}' does nothing without coordination; add {key}: shards, or remove it",
        key = annotation::COORDINATE
    )]
    Alone(&'static str),
    /// About shards, without `shards`.
    #[error(
        "annotation '{0}' does nothing without shards; add shards to {key}, or remove it",
        key = annotation::COORDINATE
    )]
    WithoutShards(&'static str),
    /// `cairn.dev/coordinate: ""`
    #[error(
        "annotation '{key}' is empty; list peers, leader, shards or some of them, like leader,shards",
        key = annotation::COORDINATE
    )]
    NoRole,
    /// `cairn.dev/coordinate: peers,peers`
    #[error("annotation '{key}' names '{0}' twice; name it once", key = annotation::COORDINATE)]
    RoleTwice(Role),
    /// `shards` without a number.
    #[error(
        "annotation '{key}: shards' needs a number of shards; add {shards}: \"160\", about ten times the replicas that \
         you will ever have",
        key = annotation::COORDINATE, shards = annotation::SHARDS
    )]
    NoShards,
    /// A value that the sidecar would refuse too.
    #[error("annotation '{key}': {error}")]
    Value {
        /// The annotation.
        key: &'static str,
        /// Why.
        error: TextError,
    },
    /// Not `name=port`.
    #[error(
        "annotation '{key}': '{0}' is not an endpoint; write it like {ENDPOINTS}, with ports of the pod",
        key = annotation::ENDPOINTS
    )]
    Endpoint(String),
    /// Two endpoints of one name.
    #[error("annotation '{key}' names '{0}' twice; name it once", key = annotation::ENDPOINTS)]
    EndpointTwice(String),
    /// An address, or not a port.
    #[error(
        "annotation '{key}': '{found}' is not a port; an endpoint is at the pod's own address, so write only its port, \
         like {name}=8080",
        key = annotation::ENDPOINTS
    )]
    Port {
        /// The endpoint.
        name: String,
        /// As written.
        found: String,
    },
    /// A text that does not fit into a member's record.
    #[error(
        "annotation '{key}' has {found} bytes; write less than {most}, because it goes into a small record"
    )]
    TooLong {
        /// The annotation.
        key: &'static str,
        /// Bytes.
        found: usize,
        /// Bytes.
        most: usize,
    },
}
