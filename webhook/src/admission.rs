//! Admission: from an `AdmissionReview` about a pod to one with a patch.
//!
//! Nothing here waits or calls out: everything that is known about the cluster was gathered before
//! and is read from memory. HTTP never meets policy: [`mutate`] takes and gives bytes.

pub mod inject;
pub mod patch;
pub mod refusal;
pub mod review;
pub mod sidecar_spec;
pub mod view;
