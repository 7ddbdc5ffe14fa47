//! Which installation uses this etcd.

use cairn_core::keys;
use cairn_store::installation::{Installation, Ownership};
use cairn_store::{ClusterId, Kv};

use crate::fixture::Fixture;

pub(crate) async fn an_installation_is_recorded_once_and_another_one_is_refused<K: Kv>(
    fixture: &Fixture<K>,
) {
    assert_eq!(fixture.store.installation().await.unwrap(), None);
    let Ownership::Ours(record) = fixture.admin.record_installation("red").await.unwrap() else {
        panic!("an empty store belongs to nobody")
    };
    assert_eq!(Some(record.etcd_cluster_id), fixture.admin.kv().cluster_id());
    let again = fixture.admin.record_installation("red").await.unwrap();
    assert_eq!(again, Ownership::Ours(record.clone()));
    let other = fixture.admin.record_installation("blue").await.unwrap();
    let expected = Ownership::OtherInstallation { ours: "blue".into(), theirs: "red".into() };
    assert_eq!(other, expected);
    assert_eq!(fixture.store.installation().await.unwrap(), Some(record));
}

pub(crate) async fn data_of_another_cluster_are_refused_until_an_administrator_accepts_them<
    K: Kv,
>(
    fixture: &Fixture<K>,
) {
    let before = ClusterId::new(0xabc);
    let copied = r#"{"installationId":"red","etcdClusterId":"abc","replacedClusterIds":["1a"]}"#;
    fixture.put(keys::INSTALLATION, copied).await;
    let refused = fixture.admin.record_installation("red").await.unwrap();
    let actual = fixture.admin.kv().cluster_id().unwrap();
    assert_eq!(refused, Ownership::OtherCluster { recorded: before, actual });
    let record = fixture.admin.accept_cluster(&[]).await.unwrap();
    let expected = Installation {
        installation_id: Some("red".to_owned()),
        etcd_cluster_id: actual,
        replaced_cluster_ids: vec![ClusterId::new(0x1a), before],
    };
    assert_eq!(record, expected);
    assert_eq!(fixture.admin.record_installation("red").await.unwrap(), Ownership::Ours(expected));
}

pub(crate) async fn a_cluster_accepted_before_any_installation_belongs_to_the_first_one<K: Kv>(
    fixture: &Fixture<K>,
) {
    let replaced = ClusterId::new(0xabc);
    let record = fixture.admin.accept_cluster(&[replaced]).await.unwrap();
    assert_eq!(record.installation_id, None);
    assert_eq!(fixture.admin.accept_cluster(&[]).await.unwrap(), record);
    let Ownership::Ours(record) = fixture.admin.record_installation("red").await.unwrap() else {
        panic!("no installation is recorded yet")
    };
    assert_eq!(record.replaced_cluster_ids, [replaced]);
    let other = fixture.admin.record_installation("blue").await.unwrap();
    assert!(matches!(other, Ownership::OtherInstallation { .. }), "{other:?}");
}
