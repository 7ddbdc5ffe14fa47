//! Members of the bundled etcd on real etcd processes: formed, grown, lost and replaced.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it fails"
)]

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use cairn_store::etcd::{Etcd, MemberList, Membership};
use cairn_store::{Kv as _, Op, Txn};
use cairn_webhook::etcd_member::args::Settings;
use cairn_webhook::etcd_member::cluster::Topology;
use cairn_webhook::etcd_member::identity::first_ids;
use cairn_webhook::etcd_member::reason::Reason;
use cairn_webhook::etcd_member::record::{HexId, Record};
use cairn_webhook::etcd_member::registry::{Registry, RegistryError, Stored};
use cairn_webhook::etcd_member::{start, volume, watch};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// etcd takes a change of its members only after five quiet seconds, and this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(100);

/// What Kubernetes keeps, kept in memory.
#[derive(Default)]
struct InMemory {
    record: RefCell<Option<(Record, u64)>>,
    replicas: Cell<u32>,
    told: RefCell<Vec<Reason>>,
}

impl InMemory {
    fn record(&self) -> Record {
        self.record.borrow().as_ref().unwrap().0.clone()
    }
}

impl Registry for InMemory {
    async fn load(&self) -> Result<Option<Stored>, RegistryError> {
        let found = self.record.borrow().clone();
        Ok(found.map(|(record, version)| Stored { record, version: version.to_string() }))
    }

    async fn save(&self, record: &Record, over: Option<&str>) -> Result<bool, RegistryError> {
        let mut stored = self.record.borrow_mut();
        let version = stored.as_ref().map(|(_, version)| version.to_string());
        if version.as_deref() != over {
            return Ok(false);
        }
        let next = stored.as_ref().map_or(1, |(_, version)| version + 1);
        *stored = Some((record.clone(), next));
        Ok(true)
    }

    async fn replicas(&self) -> Result<u32, RegistryError> {
        Ok(self.replicas.get())
    }

    async fn tell(&self, reason: &Reason) {
        self.told.borrow_mut().push(reason.clone());
    }
}

/// The pods of one StatefulSet, each on an address of its own.
struct Pods {
    network: String,
    registry: Rc<InMemory>,
    volumes: Vec<TempDir>,
    running: Vec<Option<Child>>,
}

impl Pods {
    /// `net` is a test's own part of the loopback network.
    fn new(net: u8, replicas: u32) -> Self {
        let network = format!("127.{net}.{}", std::process::id() % 250);
        let registry = Rc::new(InMemory::default());
        registry.replicas.set(replicas);
        let volumes = (0..3).map(|_| TempDir::new().unwrap()).collect();
        Self { network, registry, volumes, running: vec![None, None, None] }
    }

    fn topology(&self, ordinal: usize) -> Topology {
        let url = |port| format!("http://{}.1{{ordinal}}:{port}", self.network);
        Topology::new(&format!("etcd-{ordinal}"), &url(2380), &url(2379)).unwrap()
    }

    fn client_url(&self, ordinal: usize) -> String {
        self.topology(ordinal).client_url(u32::try_from(ordinal).unwrap())
    }

    fn data(&self, ordinal: usize) -> PathBuf {
        self.volumes[ordinal].path().join("data")
    }

    fn settings(&self, ordinal: usize) -> Settings {
        let host = format!("http://{}.1{ordinal}", self.network);
        let common = json!({
            "listen-client-urls": format!("{host}:2379"),
            "listen-peer-urls": format!("{host}:2380"),
            "unsafe-no-fsync": true,
        });
        Settings {
            data_dir: self.data(ordinal),
            config_out: self.volumes[ordinal].path().join("etcd.json"),
            common: common.as_object().unwrap().clone(),
        }
    }

    /// The init container, until it ends.
    async fn configure(&self, ordinal: usize) -> PathBuf {
        let (topology, settings) = (self.topology(ordinal), self.settings(ordinal));
        start::run(&*self.registry, &topology, &settings).await.unwrap();
        settings.config_out
    }

    /// Init container, etcd, and the container beside it, until the member is a full one.
    async fn start(&mut self, ordinal: usize) {
        let config = timeout(PATIENCE, self.configure(ordinal)).await.expect("it waits");
        self.launch(ordinal, &config);
        self.until_full(ordinal).await;
    }

    fn launch(&mut self, ordinal: usize, config: &PathBuf) {
        let log = fs::File::create(self.volumes[ordinal].path().join("log")).unwrap();
        let child = Command::new(cairn_test_etcd::binary())
            .arg("--config-file")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("run `e2e/cluster/cluster build etcd` first");
        self.running[ordinal] = Some(child);
    }

    async fn until_full(&self, ordinal: usize) {
        let (topology, settings) = (self.topology(ordinal), self.settings(ordinal));
        let seen = async {
            loop {
                if let Some(list) = self.list(ordinal).await
                    && list
                        .members
                        .iter()
                        .any(|member| member.name == topology.me.name && !member.learner)
                {
                    return;
                }
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = seen => {}
            () = watch::watch(&*self.registry, &topology, &settings) => {}
            () = sleep(PATIENCE) => panic!("member {ordinal}: {}", self.log(ordinal)),
        }
    }

    fn log(&self, ordinal: usize) -> String {
        let log = fs::read_to_string(self.volumes[ordinal].path().join("log")).unwrap_or_default();
        log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
    }

    /// What a full member says about the cluster.
    async fn list(&self, ordinal: usize) -> Option<MemberList> {
        let asking = async {
            let url = self.client_url(ordinal);
            Membership::connect(&url, Duration::from_secs(1)).await?.list().await
        };
        Box::pin(asking).await.ok()
    }

    fn kill(&mut self, ordinal: usize) {
        if let Some(mut child) = self.running[ordinal].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn lose_volume(&mut self, ordinal: usize) {
        self.kill(ordinal);
        fs::remove_dir_all(self.data(ordinal)).unwrap();
    }

    /// A store at one member.
    async fn store(&self, ordinal: usize) -> Etcd {
        Etcd::connect(&[self.client_url(ordinal)], None, Etcd::DEFAULT_REQUEST_TIMEOUT)
            .await
            .unwrap()
    }

    async fn put(&self, ordinal: usize, value: &str) {
        let then = vec![Op::put("k", value, 0)];
        self.store(ordinal).await.txn(Txn { then, ..Txn::default() }).await.unwrap();
    }

    async fn get(&self, ordinal: usize) -> Option<String> {
        let found = self.store(ordinal).await.get("k").await.unwrap();
        found.map(|found| String::from_utf8(found.value).unwrap())
    }

    async fn one_cluster(&self, ordinals: &[usize]) {
        let recorded = self.registry.record().cluster_id;
        for ordinal in ordinals {
            assert_eq!(HexId(self.list(*ordinal).await.unwrap().cluster), recorded);
        }
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        (0..3).for_each(|ordinal| self.kill(ordinal));
    }
}

#[tokio::test]
async fn one_member_grows_to_three_and_a_lost_volume_is_replaced_in_the_same_cluster() {
    let mut pods = Pods::new(71, 1);
    pods.start(0).await;
    let record = pods.registry.record();
    let url = pods.topology(0).me.peer_url;
    assert_eq!(first_ids(&url, &record.token).cluster, record.cluster_id);
    pods.one_cluster(&[0]).await;
    pods.put(0, "kept").await;

    pods.registry.replicas.set(3);
    // Member 1 is about to start when somebody else is taken in; the watch corrects its list.
    let config = timeout(PATIENCE, pods.configure(1)).await.expect("it waits");
    let stale = fs::read_to_string(&config)
        .unwrap()
        .replace("etcd-0=", "etcd-9=http://127.0.0.9:1,etcd-0=");
    fs::write(&config, stale).unwrap();
    pods.launch(1, &config);
    pods.running[1].as_mut().unwrap().wait().unwrap();
    let corrected = async {
        while fs::read_to_string(&config).unwrap().contains("etcd-9") {
            sleep(PAUSE).await;
        }
    };
    let (topology, settings) = (pods.topology(1), pods.settings(1));
    tokio::select! {
        () = corrected => {}
        () = watch::watch(&*pods.registry, &topology, &settings) => {}
        () = sleep(PATIENCE) => panic!("the list stays wrong"),
    }
    pods.launch(1, &config);
    pods.until_full(1).await;
    pods.start(2).await;
    pods.one_cluster(&[0, 1, 2]).await;
    assert_eq!(pods.get(2).await.as_deref(), Some("kept"));

    let before = pods.registry.record().members["etcd-2"].id;
    pods.lose_volume(2);
    pods.start(2).await;
    pods.one_cluster(&[0, 1, 2]).await;
    let list = pods.list(0).await.unwrap();
    assert_eq!(list.members.len(), 3, "the former member is gone: {list:?}");
    assert_ne!(pods.registry.record().members["etcd-2"].id, before);
    assert_eq!(pods.get(2).await.as_deref(), Some("kept"));

    // A restart needs nobody: data and record agree.
    pods.kill(1);
    pods.start(1).await;

    // Everything stopped, and one of three started alone.
    (0..3).for_each(|ordinal| pods.kill(ordinal));
    pods.registry.replicas.set(1);
    let alone = timeout(Duration::from_secs(3), pods.configure(0)).await;
    assert!(alone.is_err(), "one of three members was started alone");
    assert!(matches!(pods.registry.told.borrow().last(), Some(Reason::NoMajority { .. })));
    pods.registry.replicas.set(3);
    timeout(PATIENCE, pods.configure(0)).await.unwrap();
}

#[tokio::test]
async fn a_cluster_that_has_lost_all_data_is_formed_anew_under_its_id_and_only_then() {
    let mut pods = Pods::new(72, 1);
    pods.start(0).await;
    let before = pods.registry.record();
    pods.put(0, "old").await;
    pods.lose_volume(0);
    pods.start(0).await;
    assert_eq!(pods.registry.record(), before, "the same token, member and cluster");
    pods.one_cluster(&[0]).await;
    assert_eq!(pods.get(0).await, None);

    pods.registry.replicas.set(3);
    pods.start(1).await;
    pods.put(0, "grown").await;
    pods.lose_volume(0);
    pods.kill(1);
    let early = timeout(Duration::from_secs(5), pods.configure(0)).await;
    assert!(early.is_err(), "formed a cluster although member 1 has data");
    // Member 1 has data and no majority; its volume is given up as the sentence says.
    pods.lose_volume(1);
    let (zero, one) = (pods.configure(0), async {
        let waits = timeout(Duration::from_secs(5), pods.configure(1)).await;
        assert!(waits.is_err(), "member 1 started before there was a cluster to join");
    });
    let (config, ()) = timeout(PATIENCE, async { tokio::join!(zero, one) }).await.unwrap();
    pods.launch(0, &config);
    pods.until_full(0).await;
    pods.start(1).await;
    pods.one_cluster(&[0, 1]).await;
    assert_eq!(pods.registry.record().cluster_id, before.cluster_id);
    assert_eq!(pods.get(1).await, None);
}

#[tokio::test]
async fn a_volume_of_another_cluster_is_neither_used_nor_changed() {
    let mut pods = Pods::new(73, 1);
    pods.start(0).await;
    pods.kill(0);
    let found = volume::read(&pods.data(0)).unwrap().unwrap();
    let record = pods.registry.record();
    assert_eq!((found.cluster, found.member), (record.cluster_id, record.members["etcd-0"].id));

    let other = Record { cluster_id: HexId(7), ..record };
    *pods.registry.record.borrow_mut() = Some((other, 9));
    let refused = timeout(Duration::from_secs(3), pods.configure(0)).await;
    assert!(refused.is_err(), "started with the data of another cluster");
    let told = pods.registry.told.borrow().last().cloned();
    assert_eq!(told, Some(Reason::ForeignVolume { found: found.cluster, recorded: HexId(7) }));
    assert_eq!(volume::read(&pods.data(0)).unwrap(), Some(found));
}

#[tokio::test]
async fn data_from_before_there_was_a_record_is_taken_over() {
    let mut pods = Pods::new(74, 1);
    pods.start(0).await;
    let before = pods.registry.record();
    pods.kill(0);
    *pods.registry.record.borrow_mut() = None;
    pods.start(0).await;
    let completed = async {
        while !pods.registry.record().complete {
            sleep(PAUSE).await;
        }
    };
    let (topology, settings) = (pods.topology(0), pods.settings(0));
    tokio::select! {
        () = completed => {}
        () = watch::watch(&*pods.registry, &topology, &settings) => {}
        () = sleep(PATIENCE) => panic!("the record stays incomplete"),
    }
    let after = pods.registry.record();
    assert_eq!((after.cluster_id, after.members), (before.cluster_id, before.members));
}
