//! Every name that an app used was granted to its pod by etcd.

use std::collections::HashMap;

use cairn_core::claim::Fence;

use super::{Kind, Violation};
use crate::history::History;
use crate::journal::Hold;

/// The slots that were granted, by fence: path, name and UID.
pub type Granted = HashMap<Fence, (String, String, String)>;

/// Looks up every hold in the granted slots.
pub fn check(holds: &[Hold], history: &History, granted: &Granted) -> Vec<Violation> {
    let recorded: HashMap<i64, i64> = granted_until(history);
    let unknown = |hold: &&Hold| match granted.get(&hold.fence) {
        Some((path, name, uid)) => *path != hold.path || *name != hold.name || *uid != hold.uid,
        // The last changes of a store that was wiped may be missing.
        None => recorded.get(&hold.fence.epoch).is_none_or(|last| hold.fence.revision <= *last),
    };
    let violation = |hold: &Hold| Violation {
        kind: Kind::NeverGranted,
        at: hold.first,
        path: hold.path.clone(),
        name: hold.name.clone(),
        fence: hold.fence,
        text: format!(
            "{} used it with fence {}, which was not granted to it",
            hold.uid, hold.fence
        ),
    };
    holds.iter().filter(unknown).map(violation).collect()
}

/// The last recorded revision of each epoch's store.
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
    fn a_hold_without_a_grant_is_found_unless_it_is_later_than_the_last_recorded_revision() {
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
