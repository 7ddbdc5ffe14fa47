//! What an etcd looks like in situations that operators meet.

use std::path::Path;

use cairn_core::pool::Pool;
use cairn_core::time::UnixMillis;
use cairn_kit::clock;
use cairn_store::Kv as _;

use crate::Page;
use crate::fixture::Fixture;
use crate::played::Group;

/// The window of a laptop, and the screen of a telephone.
const SIZES: [(u32, u32); 2] = [(1280, 800), (390, 844)];

/// Claims, rests and queues in several lists, and a group with shards.
pub(crate) fn busy(fixture: &Fixture) {
    demo(fixture);
    half_full(fixture, 40);
    exhausted(fixture);
    sharded(fixture);
}

/// Writes each scene in both sizes and themes.
pub(crate) fn draw(folder: Option<&Path>) {
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).unwrap();
    }
    let mut page = Page::of(|_| {});
    draw_scene(&mut page, folder, "empty", "pools");
    let mut page = Page::of(demo);
    draw_scene(&mut page, folder, "demo", "pools");
    draw_scene(&mut page, folder, "demo-pods", "pods");
    draw_scene(&mut page, folder, "etcd", "etcd");
    page.browser.eval("document.querySelector('.names button').click()");
    page.browser
        .wait("document.querySelector('#details').innerText.includes(' left; ends the claim')");
    draw_scene(&mut page, folder, "details", "pools");
    page.browser.press("Escape");
    page.fixture.process.kill();
    page.browser.wait("document.querySelector('#link.away')");
    draw_scene(&mut page, folder, "away", "pools");
    let mut page = Page::of(|fixture| half_full(fixture, 512));
    page.browser.eval("document.querySelector('.cells').scrollIntoView({block: 'center'})");
    draw_scene(&mut page, folder, "half-full", "pools");
    let mut page = Page::of(exhausted);
    draw_scene(&mut page, folder, "exhausted", "pools");
    let mut page = Page::of(sharded);
    page.browser.eval("location.hash = 'groups'");
    // Each owner has its shard for long enough that the timeline shows it.
    let every_bar = |bars: usize| {
        format!(
            "((bars) => bars.length === {bars} && bars.every((bar) => bar.width.baseVal.value > 40))(
                [...document.querySelectorAll('.timeline rect')])"
        )
    };
    for (bars, shard, to) in [(13, 3, "c"), (14, 7, "c"), (15, 11, "a")] {
        page.browser.wait(&every_bar(bars));
        let group = Group::new(&page.fixture, "shop", "ledger", 12);
        group.grant(&format!("s/{shard:05}"), to, session(&page.fixture, to));
    }
    page.browser.wait(&every_bar(16));
    page.browser.wait_for_text("3 changes of owners");
    draw_scene(&mut page, folder, "shards", "groups");
}

fn draw_scene(page: &mut Page, folder: Option<&Path>, scene: &str, view: &str) {
    page.browser.eval(&format!("location.hash = '{view}'"));
    page.browser.wait(&format!("document.querySelector('#view-{view}:not([hidden])')"));
    for size in SIZES {
        for scheme in ["light", "dark"] {
            page.browser.show(size, scheme);
            if let Some(folder) = folder {
                let width = size.0;
                page.browser.screenshot(&folder.join(format!("{scene}-{width}-{scheme}.png")));
            }
        }
    }
}

/// Pods that have held their claims for some minutes.
fn ago(fixture: &Fixture, minutes: i64) {
    fixture.since.set(UnixMillis(clock::now().wall.0 - minutes * 60_000));
}

/// Three pods on mountains, as `make demo` has them, and one that was released.
pub(crate) fn demo(fixture: &Fixture) {
    let names = ["Denali", "MtLogan", "PicodeOrizaba"];
    for (index, name) in names.into_iter().enumerate() {
        ago(fixture, 4 + 7 * i64::try_from(index).unwrap());
        let pod = format!("hello-5d8f6c9b7-{}", ["2xkqv", "c9wzt", "lm4hd"][index]);
        fixture.claim("mountains", "demo", Some("hello"), name, &pod);
    }
    let won =
        fixture.claim("mountains", "demo", Some("hello"), "MtStElias", "hello-5d8f6c9b7-old7q");
    let pod = "hello-5d8f6c9b7-old7q";
    fixture.release("mountains", "demo", Some("hello"), "MtStElias", pod, won.own_mod_revision);
    for (id, pod) in [("0", "orders-0"), ("1", "orders-1")] {
        fixture.claim("snowflake", "demo", None, id, pod);
    }
}

/// Every other ID held, with gaps and some in quarantine.
pub(crate) fn half_full(fixture: &Fixture, pods: u32) {
    for number in 0..pods {
        let id = (number * 2 + number % 3) % 1024;
        ago(fixture, i64::from(number % 300));
        let (key, pod) = (id.to_string(), format!("worker-{number}"));
        let won = fixture.try_claim("snowflake", "orders", None, &key, &pod);
        if number % 17 == 5
            && let Some(won) = won
        {
            fixture.release("snowflake", "orders", None, &key, &pod, won.own_mod_revision);
        }
    }
}

/// A pool of eight names with forty pods that wait.
pub(crate) fn exhausted(fixture: &Fixture) {
    let names = ["amber", "birch", "cedar", "elder", "hazel", "maple", "rowan", "willow"];
    let spec = serde_json::json!({"names": {"list": names}, "onExhausted": "Wait"});
    let pool = Pool::from_json("lanes".parse().unwrap(), spec.to_string().as_bytes()).unwrap();
    fixture.runtime.block_on(fixture.store.define(&pool, 5, None)).unwrap();
    for (number, name) in names.into_iter().enumerate() {
        ago(fixture, 3 + i64::try_from(number).unwrap());
        fixture.claim("lanes", "batch", Some("import"), name, &format!("import-{number}"));
    }
    for number in 8..48 {
        ago(fixture, (60 - number) / 20);
        fixture.join("lanes", "batch", Some("import"), &format!("import-{number}"));
    }
}

/// Three members with twelve shards.
pub(crate) fn sharded(fixture: &Fixture) {
    let group = Group::new(fixture, "shop", "ledger", 12);
    for uid in ["a", "b", "c"] {
        group.join(uid, "participant");
    }
    group.join("d", "viewer");
    for shard in 0..12 {
        let owner = ["a", "b", "c"][shard % 3];
        group.grant(&format!("s/{shard:05}"), owner, session(fixture, owner));
    }
    group.grant("l", "a", session(fixture, "a"));
}

/// The revision of a member's session in the group of [`sharded`].
fn session(fixture: &Fixture, uid: &str) -> i64 {
    let key = format!("/cairn/v1/ns/shop/g/ledger/m/{uid}");
    fixture.runtime.block_on(fixture.store.kv().get(key)).unwrap().unwrap().create_revision
}
