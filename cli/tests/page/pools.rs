//! The view of pools.

use cairn_core::keys;
use cairn_core::pool::Pool;
use cairn_store::{Kv as _, Op, Txn};
use serde_json::json;

use crate::Page;
use crate::fixture::Fixture;

/// The text of each element that a selector finds.
fn texts(selector: &str) -> String {
    format!("[...document.querySelectorAll({})].map((of) => of.textContent)", json!(selector))
}

/// Claims two names for a namespace, and releases the second one.
fn one_held_one_resting(fixture: &Fixture, namespace: &str) {
    fixture.claim("mountains", namespace, None, "Denali", &format!("{namespace}-a"));
    let pod = format!("{namespace}-b");
    let won = fixture.claim("mountains", namespace, None, "MtLogan", &pod);
    fixture.release("mountains", namespace, None, "MtLogan", &pod, won.own_mod_revision);
}

#[test]
fn names_that_are_held_or_rest_are_not_free() {
    let names = Pool::builtin(&"mountains".parse().unwrap()).unwrap().names.len();
    let free = (names - 2).to_string();
    let mut page = Page::of(|fixture| one_held_one_resting(fixture, "shop"));
    let figures = texts("[aria-label='Pool mountains'] .figures .free b");
    page.browser.wait(&format!("{figures}.join() === '{free}'"));
    // With a second list, each has its own.
    one_held_one_resting(&page.fixture, "bank");
    page.browser.wait(&format!("{figures}.join() === '{free},{free}'"));
    page.assert_calm();
}

#[test]
fn pods_wait_in_the_order_of_their_tickets() {
    let mut page = Page::of(|fixture| {
        for pod in ["second-by-name", "first-by-name", "last"] {
            fixture.join("mountains", "shop", None, pod);
        }
    });
    page.browser.wait_for_text("3 pods wait; the next name is for second-by-name");
    assert_eq!(
        page.browser.eval(&texts(".queue .title")),
        json!(["second-by-name", "first-by-name", "last"])
    );
    assert_eq!(page.browser.eval(&texts(".queue .rank")), json!(["1", "2", "3"]));
    page.assert_calm();
}

#[test]
fn a_frozen_pool_says_so() {
    let mut page = Page::of(|_| {});
    let notice = "[...document.querySelectorAll('[aria-label=\"Pool mountains\"] .notice')]
        .some((notice) => !notice.hidden && notice.textContent.includes('This pool is frozen'))";
    assert_eq!(page.browser.eval(notice), json!(false));
    let key = keys::freeze(&"mountains".parse().unwrap());
    let txn = Txn { then: vec![Op::put(key, b"{}".to_vec(), 0)], ..Txn::default() };
    page.fixture.runtime.block_on(page.fixture.store.kv().txn(txn)).unwrap();
    page.browser.wait(notice);
    page.assert_calm();
}
