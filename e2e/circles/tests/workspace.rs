//! No crate of the workspace has a circle of imports.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]

use std::path::Path;
use std::process::Command;

use cairn_circles::circles;

/// The root files of all libraries and programs, with the names of their packages.
fn roots() -> Vec<(String, String)> {
    let cargo = std::env::var_os("CARGO").unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(cargo);
    command.current_dir(workspace).args(["metadata", "--no-deps", "--format-version", "1"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut roots = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        for target in package["targets"].as_array().unwrap() {
            let kinds = target["kind"].as_array().unwrap();
            if kinds.iter().any(|kind| kind == "lib" || kind == "bin") {
                let name = package["name"].as_str().unwrap().to_owned();
                roots.push((name, target["src_path"].as_str().unwrap().to_owned()));
            }
        }
    }
    roots
}

#[test]
fn no_crate_has_a_circle_of_imports() {
    let roots = roots();
    assert!(roots.len() > 10, "{roots:?}");
    let mut found = Vec::new();
    for (package, root) in &roots {
        for circle in circles(Path::new(root)).unwrap() {
            found.push(format!("{package}: {circle}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
