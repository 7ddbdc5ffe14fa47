//! The three fields that are published of every claim: its name, its metrics prefix and its fence.
//!
//! Each field is a file, an environment variable and an annotation. The keys of all three are derived here, so that
//! sidecar, mirror and admission cannot disagree about them.
//!
//! The annotations of pool `mountains` are `claim.cairn.dev/mountains` (the name),
//! `claim.cairn.dev/mountains.prefix` and `claim.cairn.dev/mountains.fence`. A pool's name has no dot, so no two pools
//! share a key. The longest key has 47 characters after the slash; Kubernetes allows 63.

use super::slot::Slot;
use crate::contract::{annotation, env, path};
use crate::pool::PoolName;

/// One published field of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimField {
    /// The name.
    Name,
    /// The metrics prefix.
    Prefix,
    /// The fence, as `epoch-revision`.
    Fence,
}

impl ClaimField {
    /// All fields, in the order in which files, variables and annotations list them.
    pub const ALL: [Self; 3] = [Self::Name, Self::Prefix, Self::Fence];

    /// The result annotation that shows this field of a pool's claim.
    pub fn annotation(self, pool: &PoolName) -> String {
        format!("{}{pool}{}", annotation::CLAIM_PREFIX, self.annotation_suffix())
    }

    /// The pool and the field that a result annotation shows; `None` for every other key.
    pub fn of_annotation(key: &str) -> Option<(PoolName, Self)> {
        let rest = key.strip_prefix(annotation::CLAIM_PREFIX)?;
        let (pool, suffix) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
        let field = Self::ALL.into_iter().find(|field| field.annotation_suffix() == suffix)?;
        Some((pool.parse().ok()?, field))
    }

    /// The variable that has this field of the pod's first pool: `CAIRN_NAME`, …
    pub fn variable(self) -> &'static str {
        match self {
            Self::Name => env::NAME,
            Self::Prefix => env::PREFIX,
            Self::Fence => env::FENCE,
        }
    }

    /// The variable that has this field of one pool: `CAIRN_MOUNTAINS_NAME`, …
    pub fn pool_variable(self, pool: &PoolName) -> String {
        let field = match self {
            Self::Name => "NAME",
            Self::Prefix => "PREFIX",
            Self::Fence => "FENCE",
        };
        env::of_pool(pool, field)
    }

    /// The file that has this field, in a pool's directory.
    pub fn file(self) -> &'static str {
        match self {
            Self::Name => path::NAME,
            Self::Prefix => path::PREFIX,
            Self::Fence => path::FENCE,
        }
    }

    /// The value of this field in a claim.
    pub fn value(self, slot: &Slot) -> String {
        match self {
            Self::Name => slot.name.clone(),
            Self::Prefix => slot.prefix.clone(),
            Self::Fence => slot.fence.to_string(),
        }
    }

    fn annotation_suffix(self) -> &'static str {
        match self {
            Self::Name => "",
            Self::Prefix => annotation::CLAIM_PREFIX_SUFFIX,
            Self::Fence => annotation::CLAIM_FENCE_SUFFIX,
        }
    }
}

/// Whether Cairn writes this annotation as a result: `cairn.dev/status`, or a field of a claim. The
/// policy in `charts/cairn/templates/policy-account.yaml` allows exactly these keys.
pub fn is_result_annotation(key: &str) -> bool {
    key == annotation::STATUS || ClaimField::of_annotation(key).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotations_of_a_pool_are_its_name_with_and_without_a_suffix() {
        let pool: PoolName = "node-ids".parse().unwrap();
        let keys = ClaimField::ALL.map(|field| field.annotation(&pool));
        assert_eq!(
            keys,
            [
                "claim.cairn.dev/node-ids",
                "claim.cairn.dev/node-ids.prefix",
                "claim.cairn.dev/node-ids.fence"
            ]
        );
        for (key, field) in keys.iter().zip(ClaimField::ALL) {
            assert_eq!(ClaimField::of_annotation(key), Some((pool.clone(), field)));
            assert!(is_result_annotation(key));
        }
        assert!(is_result_annotation("cairn.dev/status"));
    }

    #[test]
    fn no_other_annotation_is_a_result() {
        for key in [
            "claim.cairn.dev/",
            "claim.cairn.dev/.fence",
            "claim.cairn.dev/mountains.",
            "claim.cairn.dev/mountains.name",
            "claim.cairn.dev/mountains.fence.fence",
            "claim.cairn.dev/Mountains",
            "claim.cairn.dev/prefix",
            "cairn.dev/pool",
            "mountains.fence",
        ] {
            assert_eq!(ClaimField::of_annotation(key), None, "{key}");
            assert!(!is_result_annotation(key), "{key}");
        }
    }

    #[test]
    fn the_longest_pool_name_leaves_a_valid_annotation_key() {
        let pool: PoolName = "p".repeat(40).parse().unwrap();
        for field in ClaimField::ALL {
            let key = field.annotation(&pool);
            assert!(key.split_once('/').is_some_and(|(_, name)| name.len() <= 63), "{key}");
        }
    }
}
