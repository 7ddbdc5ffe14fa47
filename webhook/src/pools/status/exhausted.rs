//! The condition `Exhausted` of a `Pool`: whether a pod that asks now would have to wait.

use crate::mirror::Counts;

/// The type of the condition.
pub(super) const EXHAUSTED: &str = "Exhausted";

/// What the condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exhausted {
    pub(super) exhausted: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

// === impl Exhausted ===

impl Exhausted {
    /// `None` while the number of free names is unknown. No number but that of waiting pods is in the message: each
    /// change is a write, and the status has the others.
    pub(super) fn of(counts: &Counts) -> Option<Self> {
        let free = counts.free?;
        let no_name = |reason, message| Self { exhausted: true, reason, message };
        Some(match (free, counts.waiting) {
            (0, 0) => no_name(
                "AllInUse",
                "no name is free; the next pod that asks has to wait".to_owned(),
            ),
            (0, waiting) => no_name(
                "PodsWait",
                format!(
                    "no name is free and {waiting} {} wait; give the pool more names, or stop pods that hold one",
                    if waiting == 1 { "pod has to" } else { "pods" }
                ),
            ),
            _ => Self {
                exhausted: false,
                reason: "NamesFree",
                message: "pods can claim a name at once".to_owned(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(free: Option<u64>, waiting: u64) -> Option<(bool, &'static str)> {
        let counts = Counts { free, waiting, ..Counts::default() };
        Exhausted::of(&counts).map(|condition| (condition.exhausted, condition.reason))
    }

    #[test]
    fn a_pool_without_a_free_name_is_exhausted_whether_or_not_a_pod_waits() {
        assert_eq!(of(Some(0), 0), Some((true, "AllInUse")));
        assert_eq!(of(Some(0), 3), Some((true, "PodsWait")));
        assert_eq!(of(Some(1), 3), Some((false, "NamesFree")));
        assert_eq!(of(None, 3), None);
    }

    #[test]
    fn the_message_counts_the_pods() {
        let message = |waiting| {
            let counts = Counts { free: Some(0), waiting, ..Counts::default() };
            Exhausted::of(&counts).unwrap().message
        };
        assert!(message(1).starts_with("no name is free and 1 pod has to wait;"));
        assert!(message(2).starts_with("no name is free and 2 pods wait;"));
    }
}
