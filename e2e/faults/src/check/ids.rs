//! No ID may be minted twice, by one pod or by several.

use std::collections::HashMap;

use super::{Kind, Violation};
use crate::journal::Minted;

/// Compares all IDs.
pub fn check(minted: &[Minted]) -> Vec<Violation> {
    let mut seen: HashMap<(&str, u64), &Minted> = HashMap::new();
    let mut found = Vec::new();
    for batch in minted {
        for id in &batch.ids {
            let Some(before) = seen.insert((&batch.pool, *id), batch) else { continue };
            let text = format!(
                "{id} was minted by {} with fence {} and by {} with fence {}",
                before.uid, before.fence, batch.uid, batch.fence
            );
            found.push(Violation {
                kind: Kind::DuplicateId,
                at: 0,
                path: batch.pool.clone(),
                name: batch.name.clone(),
                fence: before.fence,
                text,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use cairn_core::claim::Fence;

    use super::*;

    #[test]
    fn an_id_that_was_minted_twice_is_found_also_within_one_pod() {
        let batch = |uid: &str, ids: &[u64]| Minted {
            uid: uid.to_owned(),
            pool: "nodes".to_owned(),
            name: "1".to_owned(),
            fence: Fence::default(),
            ids: ids.to_vec(),
        };
        assert!(check(&[batch("a", &[1, 2]), batch("b", &[3])]).is_empty());
        assert_eq!(check(&[batch("a", &[1, 2]), batch("b", &[2])]).len(), 1);
        assert_eq!(check(&[batch("a", &[4, 4])]).len(), 1);
    }
}
