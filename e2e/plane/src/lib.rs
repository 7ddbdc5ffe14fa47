//! A real API server on loopback with Cairn's chart on it, and the webhook beside it, without nodes and controllers.
//!
//! For what needs Kubernetes' API and many objects, but no kubelet: metrics, the claims mirror, pods without a sidecar.
//! The API server does not call the webhook, so that pods are created as the test writes them. The chart's permissions
//! and policies are in force. Not for: what a pod does, which [`cairn-e2e`](../../README.md) tests.

pub mod apiserver;
pub mod failure;
pub mod http;
pub mod install;
pub mod process;
pub mod prometheus;
pub mod sidecar;
pub mod webhook;

pub use apiserver::ApiServer;
pub use failure::Failure;
pub use install::Installation;
pub use prometheus::Prometheus;
pub use sidecar::Sidecar;
pub use webhook::Webhook;
