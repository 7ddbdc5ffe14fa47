//! For apps whose pods coordinate: sends a request to the owner of its key, as a [`tower`] layer.
//!
//! ```no_run
//! use cairn_client::{GroupOwners, OwnerLayer, sidecar};
//! use tower::Layer as _;
//!
//! # async fn example<S>(http: S) -> Result<(), Box<dyn std::error::Error>> {
//! let sidecar = sidecar::channel("unix:/var/run/cairn/cairn.sock")?;
//! // Follows the map and the members; the endpoint is one of `cairn.dev/endpoints`.
//! let (owners, following) = GroupOwners::follow(sidecar, "http");
//! tokio::spawn(following);
//! let key = |request: &http::Request<String>| request.uri().path().as_bytes().to_vec();
//! let http = OwnerLayer::new(owners, key).layer(http);
//! # Ok(()) }
//! ```
//!
//! A member that does not own the key answers 421 Misdirected Request. Then the request is sent once more, to the next
//! owner, with its whole body as far as that was kept.
//!
//! Not for: whether the receiver may serve the key. It must look itself, before each piece of work: see
//! `examples/worker.rs`.

mod owners;
mod replay;
pub mod sidecar;
mod to_owner;

pub use owners::{GroupOwners, NoOwner, Owner, Owners};
pub use replay::ReplayBody;
pub use to_owner::{OwnerLayer, ToOwner};
