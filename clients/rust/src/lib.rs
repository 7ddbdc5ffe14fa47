//! For apps whose pods coordinate, as [`tower`] layers: a request goes to the owner of its key, and a pod serves only
//! what it owns.
//!
//! # The sender
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
//! # The receiver
//!
//! ```no_run
//! use cairn_client::{OwnShards, OwnedLayer, Served, sidecar};
//! use tower::Layer as _;
//!
//! # async fn example<S>(app: S) -> Result<(), Box<dyn std::error::Error>> {
//! let sidecar = sidecar::channel("unix:/var/run/cairn/cairn.sock")?;
//! // Follows the own shards, and confirms each stop once the requests of its shard have ended.
//! let (shards, following) = OwnShards::follow(sidecar);
//! tokio::spawn(following);
//! let key = |request: &http::Request<String>| request.uri().path().as_bytes().to_vec();
//! // Each request that reaches `app` has an extension `Served`, with the fence for its stores.
//! let app = OwnedLayer::new(shards, key).layer(app);
//! # Ok(()) }
//! ```
//!
//! | the pod | HTTP | gRPC |
//! |---|---|---|
//! | does not own the key's shard now | 421 | UNAVAILABLE, with the header `cairn-misdirected` |
//! | loses it before the answer has begun | 503 | UNAVAILABLE |
//! | loses it while the answer's body is sent | the body ends with an error | UNAVAILABLE |
//! | gets a key that is not of the map's hash | 400 | `INVALID_ARGUMENT` |
//!
//! A shard is owned while the sidecar lists it in `shards` and until the deadline. One that has to stop takes no new
//! requests; those that have begun may end until the deadline that was told last. A stream that would not end by
//! itself ends when [`Served::stopping`] says so. Otherwise it is cut off at that deadline, and the shard is handed
//! over only then.
//!
//! Not for: upgraded connections, such as `WebSockets`: the layer sees only their first answer. Nor for work that no
//! request asks for: see `examples/worker.rs`.

mod if_owned;
mod misdirected;
mod own_shards;
mod owned_body;
mod owners;
mod replay;
pub mod sidecar;
mod to_owner;

pub use if_owned::{IfOwned, OwnedLayer};
pub use own_shards::{NotServed, OwnShards, Served};
pub use owned_body::OwnedBody;
pub use owners::{GroupOwners, NoOwner, Owner, Owners};
pub use replay::ReplayBody;
pub use to_owner::{OwnerLayer, ToOwner};

pub use cairn_core::claim::Fence;
pub use cairn_core::coordination::map::KeyHash;
