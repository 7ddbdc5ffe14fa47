//! Prints the test vectors of lookups: `cargo run -p cairn-core --example vectors > docs/coordination/vectors.json`.

#[path = "vectors/document.rs"]
mod document;

fn main() {
    print!("{}", document::document());
}
