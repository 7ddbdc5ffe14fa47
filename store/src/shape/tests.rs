use crate::memory::MemoryKv;

use super::*;

fn pool(scope: &str, clock: &str, to: u32) -> Pool {
    let spec = format!(
        r#"{{"names":{{"range":{{"from":0,"to":{to}}}}},"scope":"{scope}","clock":"{clock}"}}"#
    );
    Pool::from_json("barrels".parse().unwrap(), spec.as_bytes()).unwrap()
}

async fn value(store: &Store<MemoryKv>, key: &str) -> Option<(String, i64)> {
    let found = store.kv().get(key).await.unwrap();
    found.map(|found| (String::from_utf8(found.value).unwrap(), found.mod_revision))
}

async fn started() -> Store<MemoryKv> {
    let store = Store::new(MemoryKv::default());
    store.begin(&[], 5, None).await.unwrap();
    store
}

const SPEC: &str = "/cairn/v1/pools/barrels";
const SHAPE: &str = "/cairn/v1/shapes/barrels";

#[tokio::test]
async fn a_pool_of_another_shape_is_not_written_even_after_its_spec_is_gone() {
    let store = started().await;
    let first = pool("Namespace", "None", 3);
    assert_eq!(store.define_pinned(&first).await.unwrap(), Defined::Yes);
    store.kv().delete(SPEC);
    for other in [pool("Cluster", "None", 3), pool("Namespace", "Reserve", 3)] {
        let refused = Defined::OtherShape(Shape::of(&first.spec));
        assert_eq!(store.define_pinned(&other).await.unwrap(), refused);
        assert_eq!(value(&store, SPEC).await, None);
    }
    assert_eq!(store.define_pinned(&pool("Namespace", "None", 9)).await.unwrap(), Defined::Yes);
    assert!(value(&store, SPEC).await.unwrap().0.contains(r#""to":9"#));
}

#[tokio::test]
async fn a_spec_without_a_recorded_shape_is_its_own_shape_and_is_not_put_again() {
    let store = Store::new(MemoryKv::default());
    let first = pool("Namespace", "None", 3);
    store.define(&first, 5, None).await.unwrap();
    let before = value(&store, SPEC).await;
    let other = store.define_pinned(&pool("Cluster", "None", 3)).await.unwrap();
    assert_eq!(other, Defined::OtherShape(Shape::of(&first.spec)));
    assert_eq!(store.define_pinned(&first).await.unwrap(), Defined::Yes);
    assert_eq!(value(&store, SPEC).await, before);
    assert!(value(&store, SHAPE).await.is_some());
}

#[tokio::test]
async fn closing_keeps_the_spec_and_defining_opens_it_again() {
    let store = started().await;
    let barrels = pool("Namespace", "None", 3);
    store.define_pinned(&barrels).await.unwrap();
    let open = value(&store, SPEC).await.unwrap();
    assert!(store.close(&barrels.name).await.unwrap());
    assert!(!store.close(&barrels.name).await.unwrap());
    let (text, _) = value(&store, SPEC).await.unwrap();
    let closed = Pool::from_json(barrels.name.clone(), text.as_bytes()).unwrap();
    assert!(closed.spec.closed && closed.names == barrels.names);
    store.define_pinned(&barrels).await.unwrap();
    assert_eq!(value(&store, SPEC).await.unwrap().0, open.0);
}

#[tokio::test]
async fn a_spec_that_was_opened_meanwhile_is_not_retired() {
    let store = started().await;
    let barrels = pool("Namespace", "None", 3);
    store.define_pinned(&barrels).await.unwrap();
    store.close(&barrels.name).await.unwrap();
    let (_, closed_at) = value(&store, SPEC).await.unwrap();
    store.define_pinned(&barrels).await.unwrap();
    store.close(&barrels.name).await.unwrap();
    assert!(!store.retire(&barrels.name, closed_at).await.unwrap());
    assert!(!store.retire(&barrels.name, 0).await.unwrap());
    let (_, closed_at) = value(&store, SPEC).await.unwrap();
    assert!(store.retire(&barrels.name, closed_at).await.unwrap());
    assert_eq!((value(&store, SPEC).await, value(&store, SHAPE).await), (None, None));
    assert_eq!(store.define_pinned(&pool("Cluster", "None", 3)).await.unwrap(), Defined::Yes);
}

#[tokio::test]
async fn a_store_without_an_epoch_gets_no_spec() {
    let store = Store::new(MemoryKv::default());
    let written = store.define_pinned(&pool("Namespace", "None", 3)).await.unwrap();
    assert_eq!((written, value(&store, SPEC).await), (Defined::Contended, None));
}
