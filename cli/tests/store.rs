//! `cairn claims` and `cairn pools` against a real etcd with claims made by the claim protocol.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]

use std::process::{Command, Output};
use std::time::Duration;

use cairn_core::claim::{Holder, SlotRecord};
use cairn_core::keys::ClaimPath;
use cairn_core::lease::{Look, Order, Surrender, Won};
use cairn_core::pool::{Pool, PoolName};
use cairn_core::time::{BootInstant, UnixMillis};
use cairn_store::Store;
use cairn_store::etcd::Etcd;
use cairn_test_etcd::TestEtcd;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// Longer than any test: nothing here waits for a lease to end.
const LONG: Duration = Duration::from_secs(600);

/// A real etcd in which the pools that ship with Cairn are defined.
struct World {
    process: TestEtcd,
    runtime: Runtime,
    store: Store<Etcd>,
}

#[test]
fn an_empty_etcd_is_told_in_one_sentence() {
    let process = TestEtcd::start().unwrap();
    assert_eq!(say(process.url(), &["claims"]), "No name is held or rests.\n");
    assert_eq!(
        say(process.url(), &["claims", "-n", "shop"]),
        "No name is held or rests in namespace 'shop'.\n"
    );
    assert!(say(process.url(), &["pools"]).starts_with("No pool is defined; "));
    assert_eq!(json_of(process.url(), &["claims"]), json!({"claims": [], "resting": []}));
    assert_eq!(json_of(process.url(), &["pools"]), json!({"pools": []}));
}

#[test]
fn who_holds_what_and_what_rests_is_shown() {
    let world = World::new();
    let url = world.process.url();
    let denali = world.claim("mountains", "shop", Some("checkout"), "Denali", "checkout-a");
    let logan = world.claim("mountains", "shop", Some("checkout"), "MtLogan", "checkout-b");
    let other = world.claim("mountains", "bank", None, "Denali", "teller");
    let three = world.claim("snowflake", "shop", None, "3", "orders-a");
    world.release("mountains", "shop", Some("checkout"), "Denali", "checkout-a", denali.mine);

    let fence = |won: &Won| format!("5-{}", won.fence.revision);
    let fences = [&logan, &other, &three].map(fence);
    let [of_logan, of_other, of_three] = fences.each_ref().map(String::as_str);
    let since = "2026-11-21T03:00:00Z";
    let expected = [
        vec!["NAMESPACE", "POOL", "GROUP", "NAME", "STATE", "POD", "NODE", "FENCE", "SINCE"],
        vec!["bank", "mountains", "-", "Denali", "held", "teller", "node-1", of_other, since],
        vec!["shop", "mountains", "checkout", "Denali", "resting", "-", "-", "-", "-"],
        vec![
            "shop",
            "mountains",
            "checkout",
            "MtLogan",
            "held",
            "checkout-b",
            "node-1",
            of_logan,
            since,
        ],
        vec!["shop", "snowflake", "-", "3", "held", "orders-a", "node-1", of_three, since],
    ];
    let text = say(url, &["claims"]);
    assert_eq!(words(&text), expected, "{text}");

    let shop = say(url, &["claims", "--namespace", "shop", "--pool", "mountains"]);
    assert_eq!(
        words(&shop),
        [&expected[0], &expected[2], &expected[3]].map(Clone::clone),
        "{shop}"
    );
    assert_eq!(
        say(url, &["claims", "-n", "bank", "--pool", "snowflake"]),
        "No name of pool 'snowflake' is held or rests in namespace 'bank'.\n"
    );

    let object = json_of(url, &["claims", "-n", "shop", "--pool", "mountains"]);
    assert_eq!(
        object,
        json!({
            "claims": [{
                "namespace": "shop", "pool": "mountains", "group": "checkout",
                "name": "MtLogan", "index": 1, "state": "held", "since": since,
                "fence": {"epoch": 5, "revision": logan.fence.revision},
                "holder": holder("shop", "checkout-b"),
            }],
            "resting": [{
                "namespace": "shop", "pool": "mountains", "group": "checkout",
                "name": "Denali", "index": 0,
            }],
        })
    );

    let pools = say(url, &["pools"]);
    assert_eq!(
        words(&pools),
        [
            ["NAME", "SCOPE", "CAPACITY", "HELD", "RESTING", "ONLOSS", "V", "Q"],
            ["mountains", "Namespace", "100", "2", "1", "Keep", "30s", "15s"],
            ["snowflake", "Cluster", "1024", "1", "0", "Stop", "30s", "30s"],
        ]
        .map(Vec::from),
        "{pools}"
    );
    assert_eq!(
        json_of(url, &["pools"])["pools"][1],
        json!({"name": "snowflake", "scope": "Cluster", "capacity": 1024, "held": 1, "resting": 0,
            "onLoss": "Stop", "validity": "30s", "quarantine": "30s"})
    );
}

#[test]
fn an_unknown_pool_is_told_with_exit_code_1() {
    let world = World::new();
    for (pool, sentence) in [
        ("montains", "pool 'montains' does not exist; did you mean 'mountains'?"),
        ("coffee", "pool 'coffee' does not exist; see cairn pools"),
    ] {
        let output = cairn(world.process.url(), &["claims", "--pool", pool]);
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("cairn: {sentence}\n"));
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    }
}

#[test]
fn with_one_member_gone_the_other_one_answers() {
    let world = World::new();
    let members = format!("http://127.0.0.1:1,{}", world.process.url());
    assert!(say(&members, &["pools"]).contains("mountains"));
}

// === impl World ===

impl World {
    fn new() -> Self {
        let process = TestEtcd::start().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(async {
            let endpoints = [process.url().to_owned()];
            let store = Store::new(Etcd::connect(&endpoints, None, Etcd::PATIENCE).await.unwrap());
            for name in Pool::builtin_names() {
                store.define(&Pool::builtin(&name).unwrap(), 5, None).await.unwrap();
            }
            store
        });
        Self { process, runtime, store }
    }

    fn claim(&self, pool: &str, namespace: &str, group: Option<&str>, key: &str, pod: &str) -> Won {
        let path = path(pool, namespace, group);
        let look = Look {
            path: path.clone(),
            pools: vec![path.pool.clone()],
            namespace: namespace.to_owned(),
            uid: pod.to_owned(),
            ticket: None,
            clocks: false,
        };
        self.runtime.block_on(async {
            let granted = self.store.grant(BootInstant::default(), LONG).await.unwrap();
            let view = self.store.read(&look).await.unwrap();
            let order = Order {
                path,
                key: Some(key.to_owned()),
                record: SlotRecord {
                    holder: holder(namespace, pod),
                    nonce: pod.to_owned(),
                    since: UnixMillis(1_795_230_000_000),
                    validity_ms: 30_000,
                    quarantine_ms: 15_000,
                },
                lease: granted.lease,
                queue: false,
                sentinel: view.sentinel,
                spec: view.specs[0].2,
            };
            self.store.claim(&order).await.unwrap().won().unwrap()
        })
    }

    fn release(
        &self,
        pool: &str,
        namespace: &str,
        group: Option<&str>,
        key: &str,
        pod: &str,
        mine: i64,
    ) {
        let surrender = Surrender {
            path: path(pool, namespace, group),
            key: key.to_owned(),
            holder: holder(namespace, pod),
            mine,
            quarantine: LONG,
            clock: None,
        };
        assert!(self.runtime.block_on(self.store.release(&surrender)).unwrap());
    }
}

fn path(pool: &str, namespace: &str, group: Option<&str>) -> ClaimPath {
    let pool: PoolName = pool.parse().unwrap();
    let scope = Pool::builtin(&pool).unwrap().spec.scope;
    ClaimPath::new(pool, scope, namespace, group.map(|group| group.parse().unwrap()))
}

fn holder(namespace: &str, pod: &str) -> Holder {
    Holder {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        uid: pod.to_owned(),
        node: "node-1".to_owned(),
        incarnation: 1,
    }
}

fn words(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

fn say(etcd: &str, args: &[&str]) -> String {
    let output = cairn(etcd, args);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(etcd: &str, args: &[&str]) -> Value {
    serde_json::from_str(&say(etcd, &[args, &["-o", "json"]].concat())).unwrap()
}

/// The address goes in by its variable, as it does in a pod.
fn cairn(etcd: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    for variable in ["CAIRN_NAMESPACE", "CAIRN_POOL", "CAIRN_OUTPUT"] {
        command.env_remove(variable);
    }
    command.env("CAIRN_ETCD", etcd).args(args).output().unwrap()
}
