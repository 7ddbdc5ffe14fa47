//! The environment variables that a container is started with: the values that `fileKeyRef` takes from the env file.

use std::fs;
use std::path::Path;

use cairn_core::contract::{env, path};

use crate::journal::Identity;
use crate::pools::Layout;

/// Reads the name of every pool of a pod. `None` while the file or one of its variables is missing: then the kubelet
/// does not start the container.
pub fn read(dir: &Path, pools: &[String], group: &str, layout: &Layout) -> Option<Vec<Identity>> {
    let text = fs::read_to_string(dir.join(path::ENV)).ok()?;
    pools
        .iter()
        .map(|name| {
            let (path, pool) = layout.path_of(name, group)?;
            let name = value(&text, &env::of_pool(&pool.name, "NAME"))?;
            Some((path, name.to_owned()))
        })
        .collect()
}

fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    let value = found.strip_prefix('\'')?.strip_suffix('\'')?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_missing() {
        let text = "CAIRN_NAME='3'\nCAIRN_NODES_NAME='3'\nCAIRN_PEAKS_NAME=''\n";
        assert_eq!(value(text, "CAIRN_NODES_NAME"), Some("3"));
        assert_eq!(value(text, "CAIRN_PEAKS_NAME"), None);
        assert_eq!(value(text, "CAIRN_NODES"), None);
    }
}
