//! Which cluster is accepted, under which prefix the keys are, and the return to the home member.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails")]

use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys::{self, ROOT};
use cairn_store::etcd::{Change, Connection, Etcd};
use cairn_store::{Batch, ClusterId, Error, ExpectedCluster, Kv, Span, Store};
use cairn_test_etcd::TestEtcd;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The longest wait. It is long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

fn urls(members: &[&TestEtcd]) -> Vec<String> {
    members.iter().map(|member| member.url().to_owned()).collect()
}

async fn open(members: &[&TestEtcd], cluster: ExpectedCluster) -> Arc<Etcd> {
    let request_timeout = Duration::from_secs(2);
    let connection = Connection { request_timeout, cluster, ..Connection::new(&urls(members)) };
    Arc::new(Etcd::open(&connection).await.unwrap())
}

async fn below(prefix: &str, member: &TestEtcd) -> Arc<Etcd> {
    let prefix = prefix.parse().unwrap();
    let connection = Connection { prefix, ..Connection::new(&urls(&[member])) };
    Arc::new(Etcd::open(&connection).await.unwrap())
}

async fn id_of(member: &TestEtcd) -> ClusterId {
    let etcd = open(&[member], ExpectedCluster::Any).await;
    Store::new(Arc::clone(&etcd)).epoch().await.unwrap();
    etcd.cluster_id().unwrap()
}

async fn put(etcd: &Etcd, key: &str, value: &str) {
    let mut batch = Batch::default();
    batch.put(key, value, 0);
    etcd.read(batch).await.unwrap();
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(timeout(LIMIT, waiting).await.is_ok(), "{what} did not happen within {LIMIT:?}");
}

fn is_refused<T>(what: &str, answer: Result<T, Error>) {
    match answer {
        Err(Error::OtherCluster { .. }) => {}
        Err(other) => panic!("{what}: {}", other.report()),
        Ok(_) => panic!("{what} was accepted"),
    }
}

#[tokio::test]
async fn every_kind_of_answer_of_another_cluster_is_refused() {
    let [ours, other] = [TestEtcd::start().unwrap(), TestEtcd::start().unwrap()];
    let writer = open(&[&other], ExpectedCluster::Any).await;
    put(&writer, keys::EPOCH, "5").await;
    let (lease, _) = writer.grant(Duration::from_secs(60)).await.unwrap();
    let (gone, minute) = (lease + 1, Duration::from_secs(60));

    let etcd = open(&[&other], ExpectedCluster::Required(id_of(&ours).await)).await;
    is_refused("a transaction", etcd.get(keys::EPOCH).await);
    is_refused("a grant", etcd.grant(minute).await);
    is_refused("a keepalive", etcd.keep_alive(lease).await);
    is_refused("the end of a lease", etcd.keep_alive(gone).await);
    let mut batch = Batch::default();
    batch.put(keys::EPOCH, "6", gone);
    is_refused("the end of a lease, in a put", etcd.read(batch).await);
    is_refused("a list", etcd.list(ROOT).await);
    is_refused("a time to live", etcd.time_to_live(lease).await);
    is_refused("a change", etcd.changed(vec![Span::key(keys::EPOCH)], 1).await);
    let mut watch = etcd.watch(ROOT, 1).await.unwrap();
    is_refused("a watch", watch.next().await);
    is_refused("a revocation", etcd.revoke(lease).await);
    is_refused("the revocation of a lease that is gone", etcd.revoke(gone).await);
}

#[tokio::test]
async fn a_successor_is_accepted_after_the_known_cluster_was_silent_and_not_before() {
    let [mut ours, other] = [TestEtcd::start().unwrap(), TestEtcd::start().unwrap()];
    let (first, second) = (id_of(&ours).await, id_of(&other).await);
    let etcd = open(&[&ours, &other], ExpectedCluster::Remembered(first)).await;
    let store = Store::new(Arc::clone(&etcd));
    until("our own member answers", async || store.epoch().await.is_ok()).await;
    ours.kill();
    let refused = async || matches!(store.epoch().await, Err(Error::OtherCluster { .. }));
    until("the other cluster answers", refused).await;
    ours.restart().unwrap();
    until("our own member answers again", async || store.epoch().await.is_ok()).await;
    assert_eq!(etcd.cluster_id(), Some(first));

    etcd.set_longest_lease(Duration::from_secs(2));
    let mut known = etcd.cluster_ids();
    ours.kill();
    until("the successor is accepted", async || store.epoch().await.is_ok()).await;
    assert_eq!(*known.borrow_and_update(), Some(second));
}

#[tokio::test]
async fn a_successor_that_an_administrator_has_recorded_is_accepted_at_once() {
    let [ours, other] = [TestEtcd::start().unwrap(), TestEtcd::start().unwrap()];
    let (first, second) = (id_of(&ours).await, id_of(&other).await);
    let etcd = open(&[&other], ExpectedCluster::Required(first)).await;
    let store = Store::new(Arc::clone(&etcd));
    is_refused("a cluster that nobody has accepted", store.epoch().await);

    let admin = Store::new(open(&[&other], ExpectedCluster::Any).await);
    let third = ClusterId::new(7);
    let record = admin.accept_cluster(&[third]).await.unwrap();
    assert_eq!(record.etcd_cluster_id, second);
    is_refused("the successor of a third cluster", store.epoch().await);

    let record = admin.accept_cluster(&[first]).await.unwrap();
    assert_eq!(record.replaced_cluster_ids, [third, first]);
    is_refused("the answer that read the new record", store.epoch().await);
    assert!(store.epoch().await.is_ok());
    assert_eq!(etcd.cluster_id(), Some(second));
}

#[tokio::test]
async fn installations_below_two_prefixes_of_one_etcd_never_see_each_other() {
    let member = TestEtcd::start().unwrap();
    let red = below("/red/", &member).await;
    let blue = below("/blue/team/", &member).await;
    put(&blue, keys::EPOCH, "7").await;
    assert_eq!(Store::new(Arc::clone(&blue)).epoch().await.unwrap(), Some(7));
    assert_eq!(Store::new(Arc::clone(&red)).epoch().await.unwrap(), None);
    let usual = open(&[&member], ExpectedCluster::Any).await;
    assert_eq!(Store::new(Arc::clone(&usual)).epoch().await.unwrap(), None);

    let (revision, listed) = red.list(ROOT).await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");
    let mut watch = red.watch(ROOT, revision + 1).await.unwrap();
    put(&blue, keys::EPOCH, "8").await;
    put(&red, keys::EPOCH, "9").await;
    let mut seen = Vec::new();
    while seen.is_empty() {
        seen = timeout(LIMIT, watch.next()).await.unwrap().unwrap();
    }
    let [Change::Put(found)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((found.key.as_str(), found.value.as_slice()), (keys::EPOCH, &b"9"[..]));
    let changed = red.changed(vec![Span::key(keys::EPOCH)], found.mod_revision + 1);
    put(&blue, keys::EPOCH, "10").await;
    assert!(
        timeout(Duration::from_millis(300), changed).await.is_err(),
        "a change of the other installation"
    );

    let raw = etcd_client::Client::connect([member.url()], None).await.unwrap();
    let all = etcd_client::GetOptions::new().with_all_keys().with_keys_only();
    let stored = raw.kv_client().get("", Some(all)).await.unwrap();
    let stored: Vec<&str> = stored.kvs().iter().map(|kv| kv.key_str().unwrap()).collect();
    assert_eq!(stored, ["/blue/team/epoch", "/red/epoch"]);
}

/// A proxy in front of an etcd. While it is stopped, its port refuses connections.
struct Proxy {
    port: u16,
    to: String,
    serving: Option<JoinHandle<()>>,
}

impl Proxy {
    async fn new(member: &TestEtcd) -> Self {
        let to = member.url().trim_start_matches("http://").to_owned();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut proxy = Self { port, to, serving: None };
        proxy.start().await;
        proxy
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn start(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let to = self.to.clone();
        self.serving = Some(tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let to = to.clone();
                open.spawn(async move {
                    let mut member = TcpStream::connect(to).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut member).await;
                });
            }
        }));
    }

    async fn stop(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        let _ = serving.await;
    }
}

#[tokio::test]
async fn a_process_returns_to_its_home_member_once_that_member_serves_again() {
    let member = TestEtcd::start().unwrap();
    let mut proxies =
        [Proxy::new(&member).await, Proxy::new(&member).await, Proxy::new(&member).await];
    let endpoints: Vec<String> = proxies.iter().map(Proxy::url).collect();
    let connection = Connection {
        request_timeout: Duration::from_secs(1),
        home_of: Some("uid".to_owned()),
        ..Connection::new(&endpoints)
    };
    let etcd = Arc::new(Etcd::open(&connection).await.unwrap());
    let store = Store::new(Arc::clone(&etcd));
    store.epoch().await.unwrap();
    let home = etcd.member_url();
    let proxy = proxies.iter_mut().find(|proxy| proxy.url() == home).unwrap();

    proxy.stop().await;
    until("another member answers", async || store.epoch().await.is_ok()).await;
    assert_ne!(etcd.member_url(), home);
    etcd.return_home().await;
    assert_ne!(etcd.member_url(), home, "it does not serve yet");
    proxy.start().await;
    let returned = async || {
        etcd.return_home().await;
        etcd.member_url() == home
    };
    until("the return to the home member", returned).await;
    store.epoch().await.unwrap();
}
