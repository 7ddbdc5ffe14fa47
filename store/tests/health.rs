//! The health of a real member.

use cairn_store::etcd::{Etcd, Membership};
use cairn_test_etcd::TestEtcd;

#[tokio::test]
async fn a_member_tells_its_version_its_size_and_that_it_has_a_leader() {
    let process = TestEtcd::start().unwrap();
    let member = Membership::connect(process.url(), Etcd::DEFAULT_REQUEST_TIMEOUT).await.unwrap();
    let health = member.health().await.unwrap();
    assert!(health.version.starts_with("3."), "{health:?}");
    assert_eq!(health.too_old_for, None, "{health:?}");
    assert!(health.size > 0 && health.has_leader && !health.learner, "{health:?}");
    assert_eq!(health.alarms, []);
}
