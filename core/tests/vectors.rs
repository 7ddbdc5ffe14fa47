//! The published test vectors are what the code computes.

#[path = "../examples/vectors/document.rs"]
mod document;

#[test]
fn the_published_vectors_are_what_the_code_computes() {
    let published = include_str!("../../docs/coordination/vectors.json");
    assert!(
        published == document::document(),
        "docs/coordination/vectors.json differs. Clients in other languages depend on it: a difference is a fault \
         unless vectors were added. `cargo run -p cairn-core --example vectors` prints the new ones."
    );
}
