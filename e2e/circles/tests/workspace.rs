//! No crate of the workspace has a circle of imports.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]

use std::path::Path;
use std::process::Command;

use cairn_circles::circles;

/// Circles that are about to be removed: the crate, and the parent of the modules. One that is gone fails the test
/// until it is removed from here.
const KNOWN: &[(&str, &str)] = &[
    // webhook/src/{admission,app,args,env_mode,etcd_member,installation,logging,nodes,pools}.rs
    ("cairn-webhook", ""),
    // webhook/src/admission/{inject,sidecar_spec}.rs
    ("cairn-webhook", "admission"),
    // webhook/src/admission/inject/{apps,env}.rs
    ("cairn-webhook", "admission::inject"),
    // webhook/src/installation/{crd,verdict}.rs
    ("cairn-webhook", "installation"),
    // webhook/src/mirror/{claims,place}.rs and webhook/src/mirror/{desired,pod}.rs
    ("cairn-webhook", "mirror"),
    // webhook/src/pools/{finalizer,status,watched}.rs
    ("cairn-webhook", "pools"),
];

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
    let mut known: Vec<_> = KNOWN.to_vec();
    let mut found = Vec::new();
    for (package, root) in &roots {
        for circle in circles(Path::new(root)).unwrap() {
            known.retain(|(of, parent)| (of, parent) != (&package.as_str(), &&*circle.parent));
            if !KNOWN.contains(&(package, &circle.parent)) {
                found.push(format!("{package}: {circle}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(known.is_empty(), "these circles are gone; remove them from KNOWN: {known:?}");
}
