//! The paths in the items of one module.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemMod, Macro, Meta, UseTree};

/// What the items of a module name and define. Child modules are left out.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    /// Every path that is used.
    pub(crate) used: BTreeSet<Vec<String>>,
    /// Imported names, with their paths.
    pub(crate) names: BTreeMap<String, Vec<String>>,
    /// Modules from which everything is imported.
    pub(crate) globs: Vec<Vec<String>>,
    /// The names of the module's own items.
    pub(crate) defined: BTreeSet<String>,
}

/// Collects the paths of a module.
pub(crate) fn of(items: &[Item]) -> Paths {
    let mut paths = Paths::default();
    for item in items {
        paths.defined.extend(name(item));
        paths.visit_item(item);
    }
    paths
}

/// Whether code is for tests only.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::Path(path) => path.is_ident("test"),
        Meta::NameValue(_) => false,
    })
}

// === impl Paths ===

impl Paths {
    fn add_use(&mut self, tree: &UseTree, prefix: &[String]) {
        let with = |name: String| prefix.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.add_use(&path.tree, &with(path.ident.to_string())),
            UseTree::Name(name) => self.add_import(name.ident.to_string(), prefix, &name.ident),
            UseTree::Rename(rename) => {
                self.add_import(rename.rename.to_string(), prefix, &rename.ident);
            }
            UseTree::Glob(_) => {
                self.used.insert(prefix.to_vec());
                self.globs.push(prefix.to_vec());
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, prefix);
                }
            }
        }
    }

    /// `use prefix::ident as name`; `ident` may be `self`, which is the prefix.
    fn add_import(&mut self, name: String, prefix: &[String], ident: &syn::Ident) {
        let mut path = prefix.to_vec();
        let mut name = name;
        if ident != "self" {
            path.push(ident.to_string());
        } else if name == "self" {
            name = prefix.last().cloned().unwrap_or_default();
        }
        self.used.insert(path.clone());
        self.names.insert(name, path);
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    /// A child is a module of its own.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_use(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.first().is_some_and(|first| is_root(first)) {
            self.used.insert(names);
        }
        visit::visit_path(self, path);
    }

    /// The arguments of a macro are not parsed, but their words are known.
    fn visit_macro(&mut self, call: &'ast Macro) {
        let text = call.tokens.to_string().replace("::", " :: ");
        let words: Vec<&str> = text.split_whitespace().collect();
        for (index, first) in words.iter().enumerate().filter(|(_, word)| is_root(word)) {
            let mut path = vec![(*first).to_owned()];
            let mut rest = words.iter().skip(index + 1);
            while let (Some(&"::"), Some(name)) = (rest.next(), rest.next()) {
                let ident: String =
                    name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if ident.is_empty() {
                    break;
                }
                let whole = ident.len() == name.len();
                path.push(ident);
                if !whole {
                    break;
                }
            }
            self.used.insert(path);
        }
        visit::visit_macro(self, call);
    }
}

/// Whether a path that begins so is of this crate.
fn is_root(name: &str) -> bool {
    matches!(name, "crate" | "super" | "self")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
