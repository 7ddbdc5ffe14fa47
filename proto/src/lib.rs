//! The gRPC interfaces of Cairn, generated from `proto/cairn/v1/*.proto`.
//!
//! Not for decisions: the sidecar and the webhook check what they receive.

/// `cairn.v1`
#[allow(
    missing_docs,
    clippy::pedantic,
    unreachable_pub,
    reason = "generated; the .proto files document it"
)]
pub mod v1 {
    tonic::include_proto!("cairn.v1");
}
