//! Deterministic runs.
