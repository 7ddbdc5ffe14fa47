//! Certificates and endpoints that are replaced while requests, renewals and watches are under way.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys;
use cairn_store::etcd::{Change, Connection, Etcd, Tls, TlsFiles, TlsPem};
use cairn_store::{ClusterId, Error, ExpectedCluster, Kv, Span};
use cairn_test_etcd::TestEtcd;
use cairn_test_etcd::pki::Files;
use tokio::time::timeout;

use crate::fixture::path;
use crate::office::{Office, is_denied, put, until};
use crate::users;

const LIMIT: Duration = Duration::from_secs(30);
const WRITES: usize = 400;

fn certificate(office: &Office, user: &str) -> TlsPem {
    users::pem(&office.process.client(user).unwrap())
}

#[tokio::test]
async fn requests_renewals_and_watches_go_on_while_certificates_are_replaced() {
    let office = Office::open().await;
    let (etcd, url) = (&office.shop, [office.process.url().to_owned()]);
    let (lease, _) = etcd.grant(Duration::from_secs(60)).await.unwrap();
    etcd.read(put(&path().sentinel(), lease)).await.unwrap();
    let prefix = format!("{}watched/", path());
    let (revision, _) = etcd.list(&prefix).await.unwrap();
    let mut watch = etcd.watch(&prefix, revision + 1).await.unwrap();

    let writing = async {
        for number in 0..WRITES {
            etcd.read(put(&format!("{prefix}{number:04}"), 0)).await.unwrap();
            if number % 10 == 0 {
                assert_eq!(etcd.keep_alive(lease).await.unwrap().as_secs(), 60);
            }
        }
    };
    let replacing = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            etcd.replace(&url, Some(certificate(&office, "cairn:shop"))).await.unwrap();
        }
    };
    let watching = async {
        let mut seen = Vec::new();
        while seen.len() < WRITES {
            for change in timeout(LIMIT, watch.next()).await.unwrap().unwrap() {
                let Change::Put(found) = change else { panic!("{change:?}") };
                seen.push(found.key);
            }
        }
        seen
    };
    let ((), (), seen) = futures::join!(writing, replacing, watching);
    let expected: Vec<String> = (0..WRITES).map(|n| format!("{prefix}{n:04}")).collect();
    assert_eq!(seen, expected, "every change once and in order");
}

#[tokio::test]
async fn after_a_replacement_everything_uses_the_new_certificate() {
    let office = Office::open().await;
    let (etcd, url) = (&office.shop, [office.process.url().to_owned()]);
    let (lease, _) = etcd.grant(Duration::from_secs(60)).await.unwrap();
    etcd.read(put(&path().sentinel(), lease)).await.unwrap();
    etcd.keep_alive(lease).await.unwrap();
    let mut watch = etcd.watch("/cairn/v1/ns/shop/", 1).await.unwrap();
    watch.next().await.unwrap();
    // A certificate of another user shows which one is used.
    etcd.replace(&url, Some(certificate(&office, "cairn:bar"))).await.unwrap();
    is_denied("a request", etcd.get(path().sentinel()).await);
    is_denied("a renewal", etcd.keep_alive(lease).await);
    let watching = async {
        loop {
            watch.next().await?;
        }
    };
    let ended: Result<(), Error> = timeout(LIMIT, watching).await.unwrap();
    is_denied("a watch", ended);
    etcd.replace(&url, Some(certificate(&office, "cairn:shop"))).await.unwrap();
    assert_eq!(etcd.keep_alive(lease).await.unwrap().as_secs(), 60);
}

#[tokio::test]
async fn a_renewal_in_flight_ends_on_the_former_clients_and_the_next_one_uses_the_new_ones() {
    let office = Office::open().await;
    let (etcd, url) = (&office.shop, [office.process.url().to_owned()]);
    let (lease, _) = etcd.grant(Duration::from_secs(60)).await.unwrap();
    etcd.read(put(&path().sentinel(), lease)).await.unwrap();
    etcd.keep_alive(lease).await.unwrap();
    office.process.freeze();
    let replacing = async {
        etcd.replace(&url, Some(certificate(&office, "cairn:bar"))).await.unwrap();
        office.process.thaw();
    };
    let (renewed, ()) = futures::join!(etcd.keep_alive(lease), replacing);
    assert_eq!(renewed.unwrap().as_secs(), 60);
    is_denied("the next renewal", etcd.keep_alive(lease).await);
}

#[tokio::test]
async fn a_waiting_pod_is_woken_on_the_new_clients_also_by_what_happened_in_between() {
    let office = Office::open().await;
    let (etcd, url) = (&office.shop, [office.process.url().to_owned()]);
    let key = path().slot("assam");
    let (from, _) = etcd.list(&path().slots()).await.unwrap();
    let waiting = etcd.changed(vec![Span::key(&key), Span::key(keys::EPOCH)], from + 1);
    let acting = async {
        for _ in 0..5 {
            etcd.replace(&url, Some(certificate(&office, "cairn:shop"))).await.unwrap();
            tokio::task::yield_now().await;
        }
        office.root.read(put(&key, 0)).await.unwrap();
        etcd.replace(&url, Some(certificate(&office, "cairn:shop"))).await.unwrap();
    };
    let (woken, ()) = futures::join!(timeout(LIMIT, waiting), acting);
    woken.unwrap().unwrap();
}

#[tokio::test]
async fn clients_that_cannot_be_made_do_not_replace_those_that_work() {
    let office = Office::open().await;
    let (etcd, url) = (&office.shop, [office.process.url().to_owned()]);
    let mut mixed = certificate(&office, "cairn:shop");
    let other = certificate(&office, "cairn:shop").client.unwrap();
    mixed.client.as_mut().unwrap().key = other.key;
    let refused = etcd.replace(&url, Some(mixed)).await.unwrap_err();
    assert!(refused.report().contains("KeyMismatch"), "{}", refused.report());
    assert!(etcd.replace(&[], None).await.is_err());
    assert!(etcd.replace(&["here".to_owned()], None).await.is_err());
    assert!(etcd.get(keys::EPOCH).await.unwrap().is_some());
}

#[tokio::test]
async fn other_endpoints_are_used_and_the_known_cluster_stays() {
    let [ours, other] = [TestEtcd::start().unwrap(), TestEtcd::start().unwrap()];
    let alias = ours.url().replace("127.0.0.1", "localhost");
    let connection = Connection::new(&[ours.url().to_owned()]);
    let etcd = Etcd::open(&connection).await.unwrap();
    etcd.read(put(keys::EPOCH, 0)).await.unwrap();
    let known: Option<ClusterId> = etcd.cluster_id();
    etcd.replace(&[other.url().to_owned(), alias.clone()], None).await.unwrap();
    let answers = async || etcd.get(keys::EPOCH).await.is_ok_and(|found| found.is_some());
    until("an answer of our own member under its other name", answers).await;
    assert_eq!((etcd.cluster_id(), etcd.member_url()), (known, alias));
    etcd.replace(&[other.url().to_owned()], None).await.unwrap();
    let refused = etcd.get(keys::EPOCH).await.unwrap_err();
    assert!(matches!(refused, Error::OtherCluster { .. }), "{}", refused.report());
}

/// A connection with certificates from files.
async fn with_files(office: &Office, files: &Files) -> Arc<Etcd> {
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let client = Some((text(&files.chain), text(&files.key)));
    let files = TlsFiles { authority: text(&files.authorities), client };
    let connection = Connection {
        tls: Some(Tls::Files(files)),
        cluster: ExpectedCluster::Any,
        ..Connection::new(&[office.process.url().to_owned()])
    };
    Arc::new(Etcd::open(&connection).await.unwrap())
}

#[tokio::test]
async fn files_that_change_are_read_again_once_they_fit_together() {
    let office = Office::open().await;
    let dir = tempfile::tempdir().unwrap();
    let shop = office.process.client("cairn:shop").unwrap();
    let files = shop.write(dir.path(), "client").unwrap();
    let etcd = with_files(&office, &files).await;
    assert!(!etcd.reload_tls_files().await.unwrap(), "nothing has changed");
    etcd.read(put(&path().sentinel(), 0)).await.unwrap();

    let bar = office.process.client("cairn:bar").unwrap();
    let works = async || etcd.get(path().sentinel()).await.is_ok();
    std::fs::write(&files.chain, &bar.chain).unwrap();
    assert!(etcd.reload_tls_files().await.is_err() && works().await, "the key is the former one");
    std::fs::write(&files.key, &bar.key[..bar.key.len() / 2]).unwrap();
    assert!(etcd.reload_tls_files().await.is_err() && works().await, "half of the key");
    std::fs::write(&files.authorities, "").unwrap();
    std::fs::write(&files.key, &bar.key).unwrap();
    assert!(etcd.reload_tls_files().await.is_err() && works().await, "no authority");
    std::fs::remove_file(&files.authorities).unwrap();
    assert!(etcd.reload_tls_files().await.is_err() && works().await, "no file");
    std::fs::write(&files.authorities, &bar.authorities).unwrap();
    assert!(etcd.reload_tls_files().await.unwrap());
    is_denied("with the new certificate", etcd.get(path().sentinel()).await);
}

#[tokio::test]
async fn a_process_that_follows_its_files_uses_a_renewed_certificate() {
    let office = Office::open().await;
    let dir = tempfile::tempdir().unwrap();
    let bar = office.process.client("cairn:bar").unwrap();
    let files = bar.write(dir.path(), "client").unwrap();
    let etcd = with_files(&office, &files).await;
    let following = tokio::spawn({
        let etcd = Arc::clone(&etcd);
        async move { etcd.follow_tls_files().await }
    });
    is_denied("with the former certificate", etcd.get(path().sentinel()).await);
    office.process.client("cairn:shop").unwrap().write(dir.path(), "client").unwrap();
    until("the new certificate", async || etcd.get(path().sentinel()).await.is_ok()).await;
    following.abort();
}
