//! What admission knows about namespaces: their labels, and whether Linkerd injects into them.

use std::collections::BTreeMap;

/// One namespace. A namespace that was not seen yet has the default: no labels, no mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its annotations say that Linkerd injects into its pods.
    pub linkerd: bool,
}
