//! What a waiting pod is told about a freeze.

use std::time::Duration;

use super::PoolView;
use super::decide::Decision;
use crate::duration;
use crate::time::UnixMillis;

impl Decision {
    /// Adds to a sentence about a freeze when it ends, and without Kubernetes what to do about it.
    pub(super) fn with_freeze(self, view: &PoolView, now: UnixMillis, standalone: bool) -> Self {
        if !view.frozen {
            return self;
        }
        match self {
            Self::Wait(sentence) => Self::Wait(explain(&sentence, view, now, standalone)),
            Self::Stay(sentence) => Self::Stay(explain(&sentence, view, now, standalone)),
            other => other,
        }
    }
}

fn explain(sentence: &str, view: &PoolView, now: UnixMillis, standalone: bool) -> String {
    let end = view.frozen_for.map_or_else(String::new, |left| {
        let left = Duration::from_secs(left.as_secs());
        format!("; this ends in {}, at {}", duration::print(left), now.after(left))
    });
    let advice = if standalone {
        "; on an etcd that Cairn has never used, start with --new-store instead"
    } else {
        ""
    };
    format!("{sentence}{end}{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_freeze_says_when_it_ends_and_what_to_do() {
        let view = PoolView {
            frozen: true,
            frozen_for: Some(Duration::from_millis(45_900)),
            ..PoolView::default()
        };
        let now = UnixMillis(1_795_230_000_000);
        let told = |standalone| {
            let Decision::Wait(text) =
                Decision::Wait("frozen".to_owned()).with_freeze(&view, now, standalone)
            else {
                panic!("another decision")
            };
            text
        };
        assert_eq!(told(false), "frozen; this ends in 45s, at 2026-11-21T03:00:45Z");
        assert!(told(true).ends_with("start with --new-store instead"), "{}", told(true));
        let open = PoolView::default();
        let kept = Decision::Wait("full".to_owned()).with_freeze(&open, now, true);
        assert!(matches!(kept, Decision::Wait(text) if text == "full"));
    }
}
