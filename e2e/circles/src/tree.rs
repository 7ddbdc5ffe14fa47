//! The modules of a crate, and the paths in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, ExprLit, ItemMod, Lit, Meta};

use crate::CirclesError;
use crate::paths::{self, Paths};

/// A module by the names of its ancestors and its own; empty for the root.
pub(crate) type ModulePath = Vec<String>;

/// A crate.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    modules: BTreeMap<ModulePath, Module>,
}

/// A module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    pub(crate) paths: Paths,
}

/// Bounds the search through re-exports: a chain of names that never ends is not followed for ever.
const LONGEST_CHAIN: usize = 16;

/// Parses a crate from its root file on.
pub(crate) fn read(root: &Path) -> Result<Tree, CirclesError> {
    let mut tree = Tree::default();
    tree.read_file(root, folder(root), &Vec::new())?;
    Ok(tree)
}

// === impl Tree ===

impl Tree {
    pub(crate) fn modules(&self) -> impl Iterator<Item = (&ModulePath, &Module)> {
        self.modules.iter()
    }

    /// The module that defines what a path of a module names; `None` for names of other crates.
    pub(crate) fn target(&self, from: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let absolute = self.absolute(from, path)?;
        Some(self.defined_in(&absolute, LONGEST_CHAIN))
    }

    /// Adds a file, which is the module `module`. The files of its children are in `directory`.
    fn read_file(
        &mut self,
        file: &Path,
        directory: &Path,
        module: &ModulePath,
    ) -> Result<(), CirclesError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| CirclesError::Read { path: file.to_owned(), source })?;
        let parsed = syn::parse_file(&text)
            .map_err(|source| CirclesError::Parse { path: file.to_owned(), source })?;
        self.add(file, directory, module, &parsed.items)
    }

    fn add(
        &mut self,
        file: &Path,
        directory: &Path,
        module: &ModulePath,
        items: &[syn::Item],
    ) -> Result<(), CirclesError> {
        let paths = paths::of(items);
        self.modules.insert(module.clone(), Module { file: file.to_owned(), paths });
        for child in items.iter().filter_map(declared_module) {
            let name = child.ident.to_string();
            let path: ModulePath = module.iter().cloned().chain([name.clone()]).collect();
            let below = directory.join(&name);
            if let Some((_, items)) = &child.content {
                self.add(file, &below, &path, items)?;
                continue;
            }
            let candidates = match path_attribute(&child.attrs) {
                Some(given) => vec![folder(file).join(given)],
                None => vec![directory.join(format!("{name}.rs")), below.join("mod.rs")],
            };
            let Some(found) = candidates.into_iter().find(|file| file.exists()) else {
                return Err(CirclesError::NoFile { parent: file.to_owned(), module: name });
            };
            self.read_file(&found, &below, &path)?;
        }
        Ok(())
    }

    /// A path of a module from the root of the crate on.
    fn absolute(&self, from: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        let mut absolute = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => {
                let mut parent = from.clone();
                parent.pop()?;
                parent
            }
            // A child module; other names are of other crates, or local.
            name => {
                let mut child = from.clone();
                child.push(name.to_owned());
                self.modules.contains_key(&child).then_some(child)?
            }
        };
        for name in rest {
            if name == "super" {
                absolute.pop()?;
            } else {
                absolute.push(name.clone());
            }
        }
        Some(absolute)
    }

    /// The module that defines what an absolute path names.
    fn defined_in(&self, absolute: &[String], chain: usize) -> ModulePath {
        let mut module = ModulePath::new();
        for (index, name) in absolute.iter().enumerate() {
            let child: ModulePath = module.iter().chain([name]).cloned().collect();
            if self.modules.contains_key(&child) {
                module = child;
                continue;
            }
            let rest = absolute.get(index + 1..).unwrap_or_default();
            return self.imported(&module, name, rest, chain).unwrap_or(module);
        }
        module
    }

    /// Follows a name that a module imports or re-exports.
    fn imported(
        &self,
        module: &ModulePath,
        name: &str,
        rest: &[String],
        chain: usize,
    ) -> Option<ModulePath> {
        let chain = chain.checked_sub(1)?;
        let paths = &self.modules.get(module)?.paths;
        if let Some(path) = paths.names.get(name) {
            let mut absolute = self.absolute(module, path)?;
            absolute.extend_from_slice(rest);
            return Some(self.defined_in(&absolute, chain));
        }
        if paths.defined.contains(name) {
            return None;
        }
        paths.globs.iter().find_map(|glob| {
            let from = self.defined_in(&self.absolute(module, glob)?, chain);
            let exports = &self.modules.get(&from)?.paths;
            if exports.defined.contains(name) {
                return Some(from);
            }
            self.imported(&from, name, rest, chain)
        })
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or_else(|| Path::new(""))
}

/// A module that an item declares, unless it is for tests only.
fn declared_module(item: &syn::Item) -> Option<&ItemMod> {
    match item {
        syn::Item::Mod(module) if !paths::is_test(&module.attrs) => Some(module),
        _ => None,
    }
}

/// The value of `#[path = "…"]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}
