//! Whatever an app used, etcd has granted to that very pod.

use std::collections::HashMap;

use cairn_core::claim::Fence;

use super::{Kind, Violation};
use crate::history::History;
use crate::journal::Hold;

/// The slots that etcd has made, by fence: place, name and UID.
pub type Granted = HashMap<Fence, (String, String, String)>;

/// Looks for every hold in the history.
pub fn check(holds: &[Hold], history: &History, granted: &Granted) -> Vec<Violation> {
    let recorded: HashMap<i64, i64> = granted_until(history);
    let unknown = |hold: &&Hold| match granted.get(&hold.fence) {
        Some((place, name, uid)) => *place != hold.place || *name != hold.name || *uid != hold.uid,
        // The last changes of a store that was wiped may be missing.
        None => recorded.get(&hold.fence.epoch).is_none_or(|last| hold.fence.revision <= *last),
    };
    let violation = |hold: &Hold| Violation {
        kind: Kind::NeverGranted,
        at: hold.first,
        place: hold.place.clone(),
        name: hold.name.clone(),
        text: format!("{} used it with fence {}, which etcd did not give it", hold.uid, hold.fence),
    };
    holds.iter().filter(unknown).map(violation).collect()
}

/// Up to which revision each epoch's store was recorded.
fn granted_until(history: &History) -> HashMap<i64, i64> {
    let epochs = history.generations.iter().filter_map(|generation| {
        let last = *generation.keys().last()?;
        let changes = generation.values().flat_map(|step| &step.changes);
        let epoch =
            changes.filter(|change| change.key == cairn_core::keys::EPOCH).find_map(|change| {
                std::str::from_utf8(&change.put.as_ref()?.value).ok()?.parse().ok()
            })?;
        Some((epoch, last))
    });
    epochs.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::overlap::tests::hold;
    use super::*;
    use crate::history::{Change, Put, Step};

    #[test]
    fn a_hold_needs_a_grant_unless_its_store_was_wiped_before_it_was_recorded() {
        let epoch = Put { value: b"1".to_vec(), create_revision: 2 };
        let key = cairn_core::keys::EPOCH.to_owned();
        let changes = vec![Change { key, put: Some(epoch) }];
        let step = |changes| Step { seen: 0, changes };
        let steps = BTreeMap::from([(2, step(changes)), (6, step(Vec::new()))]);
        let history = History { generations: vec![steps] };
        let slot = ("/p/".to_owned(), "1".to_owned(), "a".to_owned());
        let granted = Granted::from([(Fence { epoch: 1, revision: 3 }, slot)]);
        let bad = |hold| check(&[hold], &history, &granted).len();
        assert_eq!(bad(hold("a", 3, 10, 20)), 0);
        assert_eq!(bad(hold("b", 3, 10, 20)), 1);
        assert_eq!(bad(hold("a", 4, 10, 20)), 1);
        assert_eq!(bad(hold("a", 7, 10, 20)), 0);
    }
}
