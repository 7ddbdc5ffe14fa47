//! `cairn ui` in a real headless browser, beside a real etcd with real claims. `make test-ui` runs it.
//!
//! With `CAIRN_SCREENSHOTS`, the name of a folder, [`scenes`] also writes what each scene looks like.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails"
)]

use cairn_store::Store;
use cairn_store::etcd::Etcd;
use serde_json::json;

#[path = "page/browser.rs"]
mod browser;
#[path = "store/fixture.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod fixture;
#[path = "page/groups.rs"]
mod groups;
#[path = "coordination/played.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod played;
#[path = "page/pools.rs"]
mod pools;
#[path = "page/scenes.rs"]
mod scenes;
#[path = "page/server.rs"]
mod server;

use browser::Browser;
use fixture::Fixture;
use server::Server;

const CONTRAST: &str = include_str!("page/contrast.js");

/// The page of an etcd in a browser.
struct Page {
    fixture: Fixture,
    server: Server,
    browser: Browser,
}

impl Page {
    /// The page after `prepare` has filled etcd.
    fn of(prepare: impl FnOnce(&Fixture)) -> Self {
        let fixture = Fixture::new();
        prepare(&fixture);
        let server = Server::start(fixture.process.url());
        let mut browser = Browser::start();
        browser.open(&server.url);
        browser.wait("document.querySelector('#link.live')");
        Self { fixture, server, browser }
    }

    fn focused(&mut self) -> String {
        let text = "((of) => of.textContent + (of.id && '#' + of.id))(document.activeElement)";
        self.browser.eval(text).as_str().unwrap().to_owned()
    }

    /// Nothing came from elsewhere, and nothing is wrong.
    fn assert_calm(&self) {
        let own = self.server.url.strip_suffix('/').unwrap();
        let foreign = |url: &&String| !url.starts_with(own) && *url != "about:blank";
        assert_eq!(
            self.browser.requests.iter().filter(foreign).collect::<Vec<_>>(),
            Vec::<&String>::new()
        );
        assert_eq!(self.browser.complaints, Vec::<String>::new());
    }
}

fn two_claims(fixture: &Fixture) {
    fixture.claim("mountains", "shop", Some("checkout"), "Denali", "checkout-a");
    fixture.claim("snowflake", "shop", None, "3", "orders-a");
}

#[test]
fn a_claim_and_a_release_are_seen_without_a_reload() {
    let mut page = Page::of(two_claims);
    page.browser.wait_for_text("checkout-a");
    page.browser.eval("window.loadedOnce = true");

    let won = page.fixture.claim("mountains", "shop", Some("checkout"), "MtLogan", "checkout-b");
    page.browser.wait_for_text("checkout-b");
    page.fixture.release(
        "mountains",
        "shop",
        Some("checkout"),
        "MtLogan",
        "checkout-b",
        won.own_mod_revision,
    );
    page.browser
        .wait("document.querySelector('.name.resting')?.innerText.match(/MtLogan[^]*left/)");
    page.fixture.join("mountains", "shop", Some("checkout"), "checkout-c");
    page.browser.wait_for_text("the next name is for checkout-c");

    assert_eq!(page.browser.eval("window.loadedOnce"), json!(true));
    page.assert_calm();
}

#[test]
fn everything_can_be_done_with_keys() {
    let mut page = Page::of(|fixture| {
        two_claims(fixture);
        fixture.claim("mountains", "shop", Some("checkout"), "MtLogan", "checkout-b");
    });
    page.browser.wait_for_text("checkout-b");
    page.browser.eval("document.querySelector('.names button').focus()");
    page.browser.press("ArrowRight");
    assert!(page.focused().contains("MtLogan"), "{}", page.focused());
    page.browser.press("Enter");
    page.browser.wait("document.querySelector('#details:not([hidden])')");
    page.browser.wait("document.querySelector('#details').innerText.match(/Fence\\s+5-\\d+/)");
    page.browser
        .wait("document.querySelector('#details').innerText.match(/ left; ends the claim/)");
    page.browser.press("Escape");
    page.browser.wait("document.querySelector('#details[hidden]')");
    assert!(page.focused().contains("MtLogan"), "the focus is back: {}", page.focused());

    page.browser.eval("document.querySelector('.cells').focus()");
    for _ in 0..3 {
        page.browser.press("ArrowRight");
    }
    page.browser.wait_for_text("3: held by shop / orders-a on node-1");
    page.browser.press("Enter");
    page.browser.wait("document.querySelector('#details').innerText.includes('orders-a')");
    page.browser.press("Escape");

    page.browser.press("2");
    page.browser.wait("document.querySelector('table.pods')?.innerText.includes('checkout-b')");
    page.browser.press("/");
    assert_eq!(page.focused(), "#filter");
    for letter in ["t", "2", "o", "r", "d"] {
        page.browser.press(letter);
    }
    page.browser.wait_for_text("0 of 3 pods");
    page.browser.press("Escape");
    page.browser.wait_for_text("3 pods");
    page.browser.press("Escape");
    for (key, view) in [("3", "groups"), ("4", "etcd"), ("1", "pools")] {
        page.browser.press(key);
        page.browser.wait(&format!("document.querySelector('#view-{view}:not([hidden])')"));
        page.browser.wait(&format!(
            "document.querySelector('nav [aria-current]').dataset.view === '{view}'"
        ));
    }
    page.browser.press("?");
    page.browser.wait("document.querySelector('dialog[open]')");
    page.browser.press("Escape");
    page.browser.wait("!document.querySelector('dialog[open]')");
    page.assert_calm();
}

#[test]
fn light_and_dark_follow_the_system_until_the_user_chooses_and_both_are_readable() {
    let mut page = Page::of(scenes::busy);
    let background = "getComputedStyle(document.body).backgroundColor";
    page.browser.show((1280, 800), "light");
    let light = page.browser.eval(background);
    for scheme in ["light", "dark"] {
        page.browser.show((1280, 800), scheme);
        for view in ["pools", "pods", "groups", "etcd"] {
            page.browser.eval(&format!("location.hash = '{view}'"));
            page.browser.wait(&format!("document.querySelector('#view-{view}:not([hidden])')"));
            let unreadable = page.browser.eval(CONTRAST);
            assert_eq!(unreadable, json!([]), "{view}, {scheme}");
        }
    }
    let dark = page.browser.eval(background);
    assert_ne!(light, dark);
    page.browser.press("t");
    assert_eq!(page.browser.eval(background), light, "the user has chosen light");
    page.browser.open(&page.server.url.clone());
    page.browser.wait("document.querySelector('#link.live')");
    assert_eq!(page.browser.eval(background), light, "the choice is kept");
    page.assert_calm();
}

#[test]
fn everything_that_can_be_used_has_a_name_and_nothing_is_cut_off() {
    let mut page = Page::of(scenes::busy);
    for size in [(1280, 800), (390, 844)] {
        page.browser.show(size, "light");
        for view in ["pools", "pods", "groups", "etcd"] {
            page.browser.eval(&format!("location.hash = '{view}'"));
            page.browser.wait(&format!("document.querySelector('#view-{view}:not([hidden])')"));
            for (role, name) in page.browser.accessible() {
                let used = matches!(
                    role.as_str(),
                    "button" | "link" | "searchbox" | "listbox" | "option" | "main"
                );
                assert!(
                    !used || role == "main" || !name.is_empty(),
                    "{view}: a {role} without a name"
                );
            }
            let wide = page.browser.eval("document.documentElement.scrollWidth");
            assert!(
                wide.as_u64().unwrap() <= u64::from(size.0),
                "{view} is {wide} pixels wide at {size:?}"
            );
        }
    }
}

#[test]
fn while_etcd_is_away_the_old_state_is_shown_with_its_age_and_comes_back_by_itself() {
    let mut page = Page::of(two_claims);
    page.browser.wait_for_text("checkout-a");
    page.fixture.process.kill();
    page.browser.wait(
        "document.querySelector('#link.away')?.innerText.match(/This is the state of .* old/)",
    );
    assert!(page.browser.eval("document.body.innerText").as_str().unwrap().contains("checkout-a"));
    page.fixture.process.restart().unwrap();
    page.browser.wait("document.querySelector('#link.live')");
    // The connection of before the outage would fail once.
    let endpoints = [page.fixture.process.url().to_owned()];
    let connecting = Etcd::connect(&endpoints, None, Etcd::DEFAULT_REQUEST_TIMEOUT);
    page.fixture.store = Store::new(page.fixture.runtime.block_on(connecting).unwrap());
    page.fixture.claim("mountains", "shop", Some("checkout"), "MtLogan", "checkout-b");
    page.browser.wait_for_text("checkout-b");

    page.server.end();
    page.browser.wait_for_text("cairn ui does not answer any more");
    assert!(page.browser.eval("document.body.innerText").as_str().unwrap().contains("checkout-b"));
}

#[test]
fn an_etcd_that_hangs_is_noticed_and_goes_on_where_it_stopped() {
    let mut page = Page::of(two_claims);
    page.fixture.process.freeze();
    page.browser.wait("document.querySelector('#link.away')");
    page.fixture.process.thaw();
    page.browser.wait("document.querySelector('#link.live')");
}

#[test]
fn a_grid_of_1024_ids_has_a_cell_for_each_and_the_filter_finds_them() {
    let mut page = Page::of(|fixture| {
        for id in 0..20 {
            fixture.claim(
                "snowflake",
                "shop",
                None,
                &(id * 50).to_string(),
                &format!("worker-{id}"),
            );
        }
    });
    let count = |what: &str| format!("document.querySelectorAll('.cells {what}').length");
    page.browser.wait(&format!("{} === 20", count(".held")));
    assert_eq!(page.browser.eval(&count("i")), json!(1024));
    page.browser.press("/");
    for letter in "worker-19".split("").filter(|letter| !letter.is_empty()) {
        page.browser.press(letter);
    }
    page.browser.wait(&format!("{} === 1", count(".found")));
    assert_eq!(
        page.browser.eval("document.querySelector('.cells .found').dataset.index"),
        json!("950")
    );
    page.assert_calm();
}

#[test]
fn every_scene_is_drawn() {
    let folder = std::env::var_os("CAIRN_SCREENSHOTS").map(std::path::PathBuf::from);
    scenes::draw(folder.as_deref());
}
