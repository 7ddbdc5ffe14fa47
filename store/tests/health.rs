//! The health of a real cluster.

use cairn_store::etcd::{Connection, Etcd};
use cairn_test_etcd::TestEtcd;

#[tokio::test]
async fn a_member_tells_its_version_its_size_and_its_leader() {
    let process = TestEtcd::start().unwrap();
    let urls = [process.url().to_owned()];
    let etcd = Etcd::open(&Connection::new(&urls)).await.unwrap();
    let health = etcd.health().await;
    assert!(health.is_reachable());
    assert_eq!(health.endpoints[0].url, process.url());
    let status = health.endpoints[0].status.as_ref().unwrap();
    assert!(status.version.starts_with("3."), "{status:?}");
    assert_eq!(status.too_old_for(), None, "{status:?}");
    assert!(status.db_size > 0 && status.leader == status.id && !status.learner, "{status:?}");
    assert_eq!(health.alarms.unwrap(), []);
    assert_eq!(health.members.unwrap().len(), 1);
}
