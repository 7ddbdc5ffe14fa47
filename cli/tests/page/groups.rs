//! The view of groups.

use serde_json::json;

use crate::Page;
use crate::played::Group;

#[test]
fn a_handover_of_a_shard_is_in_the_timeline() {
    let mut sessions = (0, 0);
    let mut page = Page::of(|fixture| {
        let group = Group::new(fixture, "shop", "ledger", 2);
        sessions = (group.join("a", "participant"), group.join("b", "participant"));
        group.grant("s/00000", "a", sessions.0);
        group.grant("s/00001", "b", sessions.1);
    });
    page.browser.press("3");
    page.browser.wait("document.querySelectorAll('.timeline rect').length === 2");
    page.browser.wait_for_text("No owner has changed");
    let group = Group::new(&page.fixture, "shop", "ledger", 2);
    group.grant("s/00000", "b", sessions.1);
    page.browser.wait_for_text("shard 0: pod-a → pod-b");
    page.browser.wait("document.querySelectorAll('.timeline rect').length === 3");
    page.assert_calm();
}

#[test]
fn a_hold_is_a_notice() {
    let mut page = Page::of(|fixture| {
        Group::new(fixture, "shop", "ledger", 2).join("a", "participant");
    });
    page.browser.press("3");
    page.browser.wait("document.querySelectorAll('.members .role').length === 1");
    let notice = "Boolean(document.querySelector('.group .notice:not([hidden])'))";
    assert_eq!(page.browser.eval(notice), json!(false));
    Group::new(&page.fixture, "shop", "ledger", 2).hold();
    page.browser.wait(notice);
    page.browser.wait_for_text("A hold forbids changes of owners");
    page.assert_calm();
}

#[test]
fn a_member_whose_app_has_not_asked_to_participate_is_seen() {
    let mut page = Page::of(|fixture| {
        let group = Group::new(fixture, "shop", "ledger", 2);
        group.join("a", "participant");
        group.join("b", "viewer");
    });
    page.browser.press("3");
    page.browser.wait("document.querySelectorAll('.members .role').length === 2");
    let states = "[...document.querySelectorAll('.members .role')].map((role) => role.textContent)";
    assert_eq!(
        page.browser.eval(states),
        json!(["participant", "viewer: its app has not asked to participate"])
    );
    Group::new(&page.fixture, "shop", "ledger", 2).join("b", "participant");
    page.browser.wait(&format!("{states}.join() === 'participant,participant'"));
    page.assert_calm();
}
