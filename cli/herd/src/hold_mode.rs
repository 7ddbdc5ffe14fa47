//! What a pod of a herd does with its name.

/// What a pod does with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldMode {
    /// It keeps the name until the task ends.
    Keep,
    /// It releases the name at once and ends.
    Release,
}
