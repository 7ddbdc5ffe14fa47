//! Circles that are planted in small crates, and code that is none.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

use cairn_circles::{Circle, circles};

fn circles_of(files: &[(&str, &str)]) -> Vec<Circle> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    circles(&directory.path().join("lib.rs")).unwrap()
}

fn names(circle: &Circle) -> (&str, Vec<&str>) {
    (&circle.parent, circle.modules.iter().map(String::as_str).collect())
}

#[test]
fn two_modules_that_import_each_other_are_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use super::a::A; pub struct B(Option<Box<A>>);"),
        ("c.rs", "use crate::{a::A, b::B}; pub struct C(A, B);"),
    ]);
    let [circle] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(names(circle), ("", vec!["a", "b"]));
    let text = circle.to_string();
    assert!(text.contains("a → b: crate::b::B in ") && text.contains("a.rs"), "{text}");
}

#[test]
fn a_circle_of_three_is_found_below_a_module_and_through_children() {
    let found = circles_of(&[
        ("lib.rs", "mod top;"),
        ("top.rs", "mod a; mod b; mod c;"),
        ("top/a.rs", "pub fn a() { crate::top::b::b() }"),
        ("top/b.rs", "mod inner; pub fn b() { inner::go() }"),
        ("top/b/inner.rs", "pub fn go() { super::super::c::c() }"),
        ("top/c.rs", "pub fn c() { println!(\"{:?}\", super::a::a()) }"),
    ]);
    let [circle] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(names(circle), ("top", vec!["a", "b", "c"]));
}

#[test]
fn a_name_is_followed_through_imports_re_exports_and_globs() {
    for import in ["use a::A;", "pub use a::A as B;", "pub use a::*;", "pub(crate) use self::a::A;"]
    {
        let name = if import.contains("as B") { "B" } else { "A" };
        let found = circles_of(&[
            ("lib.rs", &format!("mod a; mod b; {import}")),
            ("a.rs", "use crate::b::helper; pub struct A; fn f() { helper() }"),
            ("b.rs", &format!("use super::{name}; pub fn helper() {{}}")),
        ]);
        assert_eq!(found.len(), 1, "{import}: {found:?}");
    }
}

#[test]
fn parents_children_tests_and_one_way_imports_are_no_circles() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; pub use a::A; pub struct Root;"),
        ("a.rs", "mod child; use child::Child; pub struct A(Child); pub struct Other;"),
        ("a/child.rs", "use super::Other; use crate::Root; pub struct Child(Other, Root);"),
        ("b.rs", "use crate::A; pub struct B(A); #[cfg(test)] mod tests;"),
        ("b/tests.rs", "compile_error!()"),
    ]);
    assert_eq!(found, []);
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "#[cfg(test)] mod tests { use crate::b::B; } #[cfg(test)] use crate::b::B;"),
        ("b.rs", "use crate::a; pub struct B;"),
    ]);
    assert_eq!(found, []);
}
