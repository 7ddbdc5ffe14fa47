//! The driver on a real etcd: a herd with the Raft entries that etcd counts, and a queue that watches advance.

use cairn_kit::clock::SystemClock;
use cairn_store::etcd::Etcd as Connection;
use cairn_test_etcd::TestEtcd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// The metric of etcd that grows by one with each Raft entry.
const ENTRIES: &str = "etcd_server_proposals_applied_total";

async fn connect(etcd: &TestEtcd) -> Connection {
    Connection::connect(&[etcd.url().to_owned()], None, Connection::DEFAULT_REQUEST_TIMEOUT)
        .await
        .unwrap()
}

async fn start(etcd: &TestEtcd, uid: &str) -> Sidecar {
    Sidecar::start_on(connect(etcd).await, Arc::new(SystemClock), uid, &[TEA])
}

async fn entries(etcd: &TestEtcd) -> f64 {
    let address = etcd.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let line = text.lines().find(|line| line.starts_with(ENTRIES)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_hundred_clients_at_once_get_a_hundred_names_for_about_three_raft_entries_each() {
    local(Box::pin(async {
        let etcd = TestEtcd::start().unwrap();
        define(&Store::new(connect(&etcd).await), 100, "Wait").await;
        let before = entries(&etcd).await;
        let mut herd = Vec::new();
        for n in 0..100 {
            herd.push(start(&etcd, &format!("u{n}")).await);
        }
        let mut names = Vec::new();
        for sidecar in &mut herd {
            names.push(sidecar.reaches(ClaimState::Held).await.unwrap());
        }
        let cost = (entries(&etcd).await - before) / 100.0;
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 100);
        assert!(cost <= 3.2, "{cost} Raft entries per claim");
        let seen = view(&Store::new(connect(&etcd).await), "nobody").await;
        assert_eq!((seen.held.len(), seen.queued), (100, 0));
    }))
    .await;
}

#[tokio::test]
async fn a_watch_tells_the_first_in_the_queue_of_a_release_long_before_its_next_read() {
    local(Box::pin(async {
        let etcd = TestEtcd::start().unwrap();
        define(&Store::new(connect(&etcd).await), 1, "Wait").await;
        let mut holder = start(&etcd, "holder").await;
        holder.reaches(ClaimState::Held).await;
        let mut waiters = Vec::new();
        for n in 0..3 {
            let mut waiter = start(&etcd, &format!("waiter{n}")).await;
            assert_eq!(waiter.waits().await, n);
            waiters.push(waiter);
        }
        holder.stop().await;
        // The quarantine is 5 s, etcd checks for ended leases twice a second, and the validity is 30 s.
        let held = waiters[0].reaches(ClaimState::Held);
        tokio::time::timeout(Duration::from_secs(15), held).await.unwrap();
        let second = waiters[1].snapshots.wait_for(|snapshot| {
            snapshot.claims.iter().any(|claim| claim.status.identity.rank == Some(0))
        });
        drop(tokio::time::timeout(Duration::from_secs(5), second).await.unwrap().unwrap());
        assert!(waiters[1].holds().is_none() && waiters[2].holds().is_none());
    }))
    .await;
}

#[tokio::test]
async fn minting_continues_after_a_kill_and_the_release_records_its_last_timestamp() {
    local(Box::pin(async {
        let etcd = TestEtcd::start().unwrap();
        let store = Store::new(connect(&etcd).await);
        clock::define_ids(&store).await;
        let dir = tempfile::tempdir().unwrap();
        let mut last = 0;
        for life in 0..3 {
            let kv = connect(&etcd).await;
            let mut sidecar =
                Sidecar::start_in(dir.path(), kv, Arc::new(SystemClock), "u1", &[clock::IDS]);
            let held = sidecar.reaches(ClaimState::Held);
            let waited = tokio::time::timeout(Duration::from_secs(10), held);
            assert_eq!(waited.await.expect("a restart waits for nothing").as_deref(), Some("7"));
            let ids = sidecar.mint(1000).await.unwrap();
            assert!(ids[0] > last && ids.is_sorted_by(|a, b| a < b), "life {life}");
            last = ids[999];
            let reserved = sidecar.bounds().1;
            if life < 2 {
                sidecar.crash().await;
                continue;
            }
            assert_eq!(sidecar.stop().await, EndReason::Released);
            let look = ReadRequest {
                lists: true,
                path: ClaimPath::new(clock::IDS.parse().unwrap(), Scope::Cluster, "shop", None),
                pools: Vec::new(),
                namespace: "shop".into(),
                uid: "nobody".into(),
                ticket: None,
                clocks: true,
                wanted: None,
            };
            let seen = store.read(&look).await.unwrap();
            assert!(seen.held.is_empty() && seen.clocks["7"].0 < reserved);
        }
    }))
    .await;
}

/// A proxy to a member, which can stop forwarding.
struct Way {
    url: String,
    frozen: watch::Sender<bool>,
}

impl Way {
    async fn to(etcd: &TestEtcd) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let member = etcd.url().trim_start_matches("http://").to_owned();
        let (frozen, carries) = watch::channel(false);
        spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (member, carries) = (member.clone(), carries.clone());
                spawn_local(async move {
                    let (client_reads, client_writes) = client.into_split();
                    let server = TcpStream::connect(member).await.unwrap();
                    let (server_reads, server_writes) = server.into_split();
                    let there = carry(client_reads, server_writes, carries.clone());
                    tokio::join!(there, carry(server_reads, client_writes, carries));
                });
            }
        });
        Self { url, frozen }
    }
}

async fn carry(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
) {
    let mut buffer = [0; 8192];
    while let Ok(read) = from.read(&mut buffer).await {
        let carries = frozen.wait_for(|frozen| !*frozen).await.is_ok();
        if read == 0 || !carries || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_release_succeeds_in_time_although_the_first_member_does_not_respond() {
    local(Box::pin(async {
        let etcd = TestEtcd::start().unwrap();
        let store = Store::new(connect(&etcd).await);
        define(&store, 1, "Wait").await;
        let (dying, well) = (Way::to(&etcd).await, Way::to(&etcd).await);
        // The sidecar ends up at the member that responds, whatever it starts with.
        well.frozen.send_replace(true);
        let urls = [dying.url.clone(), well.url.clone()];
        let kv =
            Connection::connect(&urls, None, Connection::DEFAULT_REQUEST_TIMEOUT).await.unwrap();
        let mut sidecar = Sidecar::start_on(kv, Arc::new(SystemClock), "u1", &[TEA]);
        sidecar.reaches(ClaimState::Held).await;
        well.frozen.send_replace(false);
        dying.frozen.send_replace(true);
        let before = Instant::now();
        assert_eq!(sidecar.stop().await, EndReason::Released);
        let took = before.elapsed();
        // The time of the driver between SIGTERM and the exit (app/end.rs).
        assert!(took < Duration::from_millis(850), "{took:?}");
        let path = ClaimPath::new(TEA.parse().unwrap(), Scope::Namespace, "shop", None);
        assert_eq!(store.quarantines(&path).await.unwrap().len(), 1);
    }))
    .await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_request_that_had_time_before_it() {
    local(Box::pin(async {
        let etcd = TestEtcd::start().unwrap();
        let hung = Way::to(&etcd).await;
        hung.frozen.send_replace(true);
        let urls = [hung.url.clone()];
        let kv =
            Connection::connect(&urls, None, Connection::DEFAULT_REQUEST_TIMEOUT).await.unwrap();
        let sidecar = Sidecar::start_on(kv, Arc::new(SystemClock), "u1", &[TEA]);
        // The first request is under way.
        tokio::task::yield_now().await;
        let before = Instant::now();
        assert_eq!(sidecar.stop().await, EndReason::Released);
        let took = before.elapsed();
        assert!(took < Duration::from_millis(850), "{took:?}");
    }))
    .await;
}
