//! Siblings that reach each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::tree::{ModulePath, Tree};

/// Sibling modules that reach each other by imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// The module of which they are children; empty for the root of the crate.
    pub parent: String,
    /// Their names.
    pub modules: BTreeSet<String>,
    /// The paths between them.
    pub edges: Vec<Edge>,
}

/// A path from one of the modules into another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The sibling in which it is.
    pub from: String,
    /// The sibling into which it leads.
    pub to: String,
    /// The file in which it is.
    pub file: PathBuf,
    /// The path.
    pub path: String,
}

/// All circles of a crate.
pub(crate) fn find(tree: &Tree) -> Vec<Circle> {
    let mut families: BTreeMap<ModulePath, Vec<Edge>> = BTreeMap::new();
    for (from, module) in tree.modules() {
        for path in &module.paths.used {
            let target = tree.target(from, path);
            let Some((parent, one, other)) = target.and_then(|to| siblings(from, &to)) else {
                continue;
            };
            let (file, path) = (module.file.clone(), path.join("::"));
            families.entry(parent).or_default().push(Edge { from: one, to: other, file, path });
        }
    }
    families.into_iter().flat_map(|(parent, edges)| circles_of(&parent, &edges)).collect()
}

/// The two siblings above two modules, and their parent; `None` when one module is above the other.
fn siblings(from: &ModulePath, to: &ModulePath) -> Option<(ModulePath, String, String)> {
    let common = from.iter().zip(to).take_while(|(one, other)| one == other).count();
    let parent = from.iter().take(common).cloned().collect();
    Some((parent, from.get(common)?.clone(), to.get(common)?.clone()))
}

fn circles_of(parent: &ModulePath, edges: &[Edge]) -> Vec<Circle> {
    let mut left: BTreeSet<&str> = edges.iter().map(|edge| edge.from.as_str()).collect();
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        left.iter().map(|name| (*name, reachable(name, edges))).collect();
    let reaches = |one: &str, other: &str| reach.get(one).is_some_and(|set| set.contains(other));
    let mut circles = Vec::new();
    while let Some(first) = left.pop_first() {
        let others = left.iter().filter(|name| reaches(first, name) && reaches(name, first));
        let others: Vec<&str> = others.copied().collect();
        if others.is_empty() {
            continue;
        }
        left.retain(|name| !others.contains(name));
        let modules: BTreeSet<String> =
            others.into_iter().chain([first]).map(str::to_owned).collect();
        let inside = |edge: &&Edge| modules.contains(&edge.from) && modules.contains(&edge.to);
        let edges = edges.iter().filter(inside).cloned().collect();
        circles.push(Circle { parent: parent.join("::"), modules, edges });
    }
    circles
}

fn reachable<'e>(from: &str, edges: &'e [Edge]) -> BTreeSet<&'e str> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(name) = next.pop() {
        for edge in edges.iter().filter(|edge| edge.from == name) {
            if found.insert(edge.to.as_str()) {
                next.push(&edge.to);
            }
        }
    }
    found
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modules: Vec<&str> = self.modules.iter().map(String::as_str).collect();
        let parent = if self.parent.is_empty() { "the crate" } else { &self.parent };
        write!(f, "circle of imports in {parent}: {}", modules.join(", "))?;
        for Edge { from, to, file, path } in &self.edges {
            write!(f, "\n  {from} → {to}: {path} in {}", file.display())?;
        }
        Ok(())
    }
}
