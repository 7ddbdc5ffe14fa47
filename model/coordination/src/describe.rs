//! A step in words.

use crate::action::Action;
use crate::config::Config;
use crate::place::{Pod, Shard};
use crate::system::SystemState;

/// A step as text: its write, whether it was refused, and what is served after it.
pub(crate) fn describe(
    config: &Config,
    before: &SystemState,
    action: Action,
    after: &SystemState,
) -> String {
    let mut text = action.to_string();
    if let Action::Land(index)
    | Action::LandAtKnown(index)
    | Action::LandUnanswered(index)
    | Action::Copy(index) = action
        && let Some(in_flight) = before.writes.get(index)
    {
        let refused = !before.store.compare(config, &in_flight.write).holds();
        let write = &in_flight.write;
        text = format!("{write}: {}{text}", if refused { "refused, " } else { "" });
    }
    let uses: Vec<String> = Pod::ALL
        .into_iter()
        .flat_map(|pod| Shard::ALL.map(|shard| (pod, shard)))
        .filter(|(pod, shard)| after.serves(*pod, *shard))
        .map(|(pod, shard)| format!("{pod} serves {shard}"))
        .collect();
    if !uses.is_empty() {
        text.extend(["  [", &uses.join(", "), "]"]);
    }
    text
}
