//! Pods of a StatefulSet of etcd members: real etcd processes, and a registry in memory.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cairn_kit::clock;
use cairn_store::etcd::{Etcd, MemberList, Membership, Tls, TlsPem};
use cairn_store::{Kv as _, Op, Txn};
use cairn_webhook::etcd_ca::{Authorities, Lives};
use cairn_webhook::etcd_member::access::access;
use cairn_webhook::etcd_member::args::Settings;
use cairn_webhook::etcd_member::cluster::Topology;
use cairn_webhook::etcd_member::reason::Reason;
use cairn_webhook::etcd_member::record::{HexId, Record};
use cairn_webhook::etcd_member::registry::{Registry, RegistryError, Stored};
use cairn_webhook::etcd_member::tls::MemberTls;
use cairn_webhook::etcd_member::{start, watch};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// etcd takes a change of its members only after five quiet seconds, and this machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// What Kubernetes keeps, kept in memory.
pub(crate) struct InMemory {
    pub(crate) authorities: Arc<Authorities>,
    pub(crate) record: RefCell<Option<(Record, u64)>>,
    pub(crate) replicas: Cell<u32>,
    pub(crate) published: RefCell<Vec<Reason>>,
}

impl InMemory {
    pub(crate) fn record(&self) -> Record {
        self.record.borrow().as_ref().unwrap().0.clone()
    }
}

impl Default for InMemory {
    fn default() -> Self {
        let authorities = Authorities::new(&Lives::default(), clock::now().wall).unwrap();
        Self {
            authorities: Arc::new(authorities),
            record: RefCell::default(),
            replicas: Cell::default(),
            published: RefCell::default(),
        }
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

    async fn authorities(&self) -> Result<Arc<Authorities>, RegistryError> {
        Ok(Arc::clone(&self.authorities))
    }

    async fn replicas(&self) -> Result<u32, RegistryError> {
        Ok(self.replicas.get())
    }

    async fn publish(&self, reason: &Reason) {
        self.published.borrow_mut().push(reason.clone());
    }
}

/// The pods of one StatefulSet, each on an address of its own.
pub(crate) struct Pods {
    network: String,
    pub(crate) registry: Rc<InMemory>,
    volumes: Vec<TempDir>,
    pub(crate) running: Vec<Option<Child>>,
}

impl Pods {
    /// `net` is a test's own part of the loopback network.
    pub(crate) fn new(net: u8, replicas: u32) -> Self {
        let network = format!("127.{net}.{}", std::process::id() % 250);
        let registry = Rc::new(InMemory::default());
        registry.replicas.set(replicas);
        let volumes = (0..3).map(|_| TempDir::new().unwrap()).collect();
        Self { network, registry, volumes, running: vec![None, None, None] }
    }

    pub(crate) fn topology(&self, ordinal: usize) -> Topology {
        let url = |port| format!("https://{}.1{{ordinal}}:{port}", self.network);
        Topology::new(&format!("etcd-{ordinal}"), &url(2380), &url(2379)).unwrap()
    }

    pub(crate) fn client_url(&self, ordinal: usize) -> String {
        self.topology(ordinal).client_url(u32::try_from(ordinal).unwrap())
    }

    pub(crate) fn data(&self, ordinal: usize) -> PathBuf {
        self.volumes[ordinal].path().join("data")
    }

    pub(crate) fn settings(&self, ordinal: usize) -> Settings {
        let host = format!("https://{}.1{ordinal}", self.network);
        let common = json!({
            "listen-client-urls": format!("{host}:2379"),
            "listen-peer-urls": format!("{host}:2380"),
            "unsafe-no-fsync": true,
        });
        Settings {
            data_dir: self.data(ordinal),
            config_out: self.volumes[ordinal].path().join("etcd.json"),
            common: common.as_object().unwrap().clone(),
            tls: MemberTls {
                dir: self.volumes[ordinal].path().join("tls"),
                hosts: self.topology(ordinal).hosts(),
                lives: Lives::default(),
            },
        }
    }

    /// How the user root reaches a member.
    pub(crate) fn access(&self) -> TlsPem {
        access(&self.registry.authorities, clock::now().wall).unwrap()
    }

    /// The init container, until it ends.
    pub(crate) async fn configure(&self, ordinal: usize) -> PathBuf {
        let (topology, settings) = (self.topology(ordinal), self.settings(ordinal));
        start::run(&*self.registry, &topology, &settings).await.unwrap();
        settings.config_out
    }

    /// Init container, etcd, and the container beside it, until the member is a full one.
    pub(crate) async fn start(&mut self, ordinal: usize) {
        let config = timeout(PATIENCE, self.configure(ordinal)).await.expect("it waits");
        self.launch(ordinal, &config);
        self.until_full(ordinal).await;
    }

    pub(crate) fn launch(&mut self, ordinal: usize, config: &PathBuf) {
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

    pub(crate) async fn until_full(&self, ordinal: usize) {
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

    pub(crate) fn whole_log(&self, ordinal: usize) -> String {
        fs::read_to_string(self.volumes[ordinal].path().join("log")).unwrap_or_default()
    }

    pub(crate) fn log(&self, ordinal: usize) -> String {
        let log = self.whole_log(ordinal);
        log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
    }

    /// What a full member says about the cluster.
    pub(crate) async fn list(&self, ordinal: usize) -> Option<MemberList> {
        let asking = async {
            let (url, access) = (self.client_url(ordinal), self.access());
            let timeout = Duration::from_secs(1);
            Membership::connect_with(&url, Some(&access), timeout).await?.list().await
        };
        Box::pin(asking).await.ok()
    }

    pub(crate) fn kill(&mut self, ordinal: usize) {
        if let Some(mut child) = self.running[ordinal].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn lose_volume(&mut self, ordinal: usize) {
        self.kill(ordinal);
        fs::remove_dir_all(self.data(ordinal)).unwrap();
    }

    /// A store at one member.
    pub(crate) async fn store(&self, ordinal: usize) -> Etcd {
        let (url, tls) = (self.client_url(ordinal), Tls::Pem(self.access()));
        Etcd::connect(&[url], Some(&tls), Etcd::DEFAULT_REQUEST_TIMEOUT).await.unwrap()
    }

    pub(crate) async fn put(&self, ordinal: usize, value: &str) {
        let then = vec![Op::put("k", value, 0)];
        self.store(ordinal).await.txn(Txn { then, ..Txn::default() }).await.unwrap();
    }

    pub(crate) async fn get(&self, ordinal: usize) -> Option<String> {
        let found = self.store(ordinal).await.get("k").await.unwrap();
        found.map(|found| String::from_utf8(found.value).unwrap())
    }

    pub(crate) async fn one_cluster(&self, ordinals: &[usize]) {
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
