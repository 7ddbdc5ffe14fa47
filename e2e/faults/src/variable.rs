//! The environment variables of a sidecar under test.

/// The file with the errors of its clocks, and how far its requests get.
pub const CONTROL: &str = "CAIRN_FAULT_CONTROL";
/// The planted bug; empty for none.
pub const BUG: &str = "CAIRN_FAULT_BUG";
/// The longest lease that is granted to it.
pub const LEASE_MS: &str = "CAIRN_FAULT_LEASE_MS";
/// How long it waits for one member's answer.
pub const PATIENCE_MS: &str = "CAIRN_FAULT_PATIENCE_MS";
