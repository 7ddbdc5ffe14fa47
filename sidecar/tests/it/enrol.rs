//! The real binary that gets access to a real etcd with authentication from an agent that the test plays, because a
//! real one cannot be made to be away, to refuse, or to give certificates of a second.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use cairn_core::pool::Pool;
use cairn_proto::v1::agent_server::{Agent, AgentServer};
use cairn_proto::v1::{EnrolRequest, EnrolResponse};
use cairn_store::Store;
use cairn_store::access::UserName;
use cairn_store::etcd::{ClientPem, Connection, Etcd, Tls, TlsPem};
use cairn_test_etcd::{Certificate, Pki, TestEtcd};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::harness::{Dir, binary};

mod trust;

const NAMESPACE: &str = "shop";
const TOKEN: &str = "a-token";
/// A binary on a busy machine needs some seconds to start.
const ROUNDS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// What the agent answers, and the requests that it had.
#[derive(Clone)]
struct Fake(Arc<Mutex<State>>);

struct State {
    answer: Result<EnrolResponse, Status>,
    requests: Vec<String>,
}

#[tonic::async_trait]
impl Agent for Fake {
    async fn enrol(
        &self,
        request: Request<EnrolRequest>,
    ) -> Result<Response<EnrolResponse>, Status> {
        let mut state = self.0.lock().unwrap();
        let token = request.metadata().get("authorization").unwrap().to_str().unwrap();
        assert_eq!(token, format!("Bearer {TOKEN}"));
        state.requests.push(request.into_inner().certificate_request);
        state.answer.clone().map(Response::new)
    }
}

/// An etcd with authentication, a pool in it, and an agent.
struct Site {
    etcd: TestEtcd,
    dir: Dir,
    pki: Pki,
    fake: Fake,
    address: SocketAddr,
    /// Runs the agent. Dropping it takes the agent away.
    runtime: Option<Runtime>,
}

impl Site {
    fn new() -> Self {
        let etcd = TestEtcd::start_secure().unwrap();
        let runtime = Runtime::new().unwrap();
        runtime.block_on(prepare(&etcd));
        let state = State { answer: Err(Status::unavailable("not yet")), requests: Vec::new() };
        let fake = Fake(Arc::new(Mutex::new(state)));
        let pki = Pki::new("agent").unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let Certificate { chain, key, .. } = pki.member(&["localhost"]).unwrap();
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(chain, key));
        let serving = Server::builder().tls_config(tls).unwrap();
        let serving = { serving }.add_service(AgentServer::new(fake.clone()));
        runtime.spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        let site = Self { etcd, dir: Dir::new(), pki, fake, address, runtime: Some(runtime) };
        site.answer(Ok(site.access(Duration::from_secs(600))));
        site
    }

    /// Access for the namespace, with a certificate of this life. Renewed after a third of it.
    fn access(&self, life: Duration) -> EnrolResponse {
        let user = UserName::of(&cairn_store::KeyPrefix::default(), NAMESPACE);
        let Certificate { authorities, chain, key } = self.etcd.client(user.as_str()).unwrap();
        let millis = u64::try_from(life.as_millis()).unwrap();
        EnrolResponse {
            etcd_endpoints: vec![self.etcd.url().to_owned()],
            etcd_authorities: authorities,
            certificate_chain: chain,
            shared_key: key,
            agent_authorities: self.pki.root().to_owned(),
            valid_for_ms: millis,
            renew_after_ms: millis / 3,
            ..EnrolResponse::default()
        }
    }

    fn answer(&self, answer: Result<EnrolResponse, Status>) {
        self.fake.0.lock().unwrap().answer = answer;
    }

    fn requests(&self) -> Vec<String> {
        self.fake.0.lock().unwrap().requests.clone()
    }

    /// The id of etcd's cluster.
    fn cluster(&self) -> String {
        let asking = async {
            let etcd = Arc::new(root(&self.etcd).await);
            Store::new(Arc::clone(&etcd)).epoch().await.unwrap();
            etcd.cluster_ids().borrow().unwrap().to_string()
        };
        self.runtime.as_ref().unwrap().block_on(asking)
    }

    fn credentials(&self) -> PathBuf {
        self.dir.path().join("credentials")
    }

    fn start(&self, more: &[&str]) -> Sidecar {
        let (token, credentials) = (self.dir.path().join("token"), self.credentials());
        fs::write(&token, TOKEN).unwrap();
        fs::create_dir_all(&credentials).unwrap();
        let pem = self.pki.root().lines().filter(|line| !line.contains("---"));
        let mut command = binary();
        command.args(["--in-pod", "--instance", "u", "--namespace", NAMESPACE]);
        command.args(["--api", "off", "--admin", "off", "--pool", "mountains"]);
        command.arg(format!("--agent=https://localhost:{}", self.address.port()));
        command.arg(format!("--agent-ca={}", pem.collect::<String>())).args(more);
        command.arg("--credentials-dir").arg(credentials).arg("--token-file").arg(token);
        command.arg("--dir").arg(self.dir.published());
        let log = fs::File::create(self.dir.path().join("log")).unwrap();
        Sidecar(command.stderr(Stdio::from(log)).spawn().unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    fn until_probe(&self, part: &str) {
        let mut said = String::new();
        for _ in 0..ROUNDS {
            let mut probe = binary();
            let probe = probe.args(["probe", "--wait", "100ms", "--dir"]).arg(self.dir.published());
            let output = probe.output().unwrap();
            said =
                format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&output.stdout));
            if said.contains(part) {
                return;
            }
            sleep(PAUSE);
        }
        panic!("the probe says {said:?} and not {part:?}; log: {}", self.log())
    }

    fn until(&self, what: &str, condition: impl Fn() -> bool) {
        for _ in 0..ROUNDS {
            if condition() {
                return;
            }
            sleep(PAUSE);
        }
        panic!("never: {what}; log: {}", self.log())
    }
}

struct Sidecar(Child);

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Sidecar {
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

/// A connection of etcd's administrator.
async fn root(etcd: &TestEtcd) -> Etcd {
    let Certificate { authorities, chain, key } = etcd.client("root").unwrap();
    let tls = Tls::Pem(TlsPem { authorities, client: Some(ClientPem { chain, key }) });
    let connection = Connection { tls: Some(tls), ..Connection::new(&[etcd.url().to_owned()]) };
    Etcd::open(&connection).await.unwrap()
}

/// What a webhook does: defines the pool and makes the namespace's user.
async fn prepare(etcd: &TestEtcd) {
    let root = Arc::new(root(etcd).await);
    root.grant_namespace(NAMESPACE, &[]).await.unwrap();
    let pool = Pool::builtin(&"mountains".parse().unwrap()).unwrap();
    Store::new(root).define(&pool, 1, None).await.unwrap();
}

const HELD: &str = "Some(0)";

#[test]
fn a_certificate_is_renewed_again_and_again_under_a_claim_that_stays() {
    let site = Site::new();
    site.answer(Ok(site.access(Duration::from_secs(3))));
    let sidecar = site.start(&[]);
    site.until_probe(HELD);
    let claim = site.dir.read("fence");
    assert_eq!(site.dir.read("name").as_deref(), Some("Denali"));
    let before = site.requests().len();
    site.until("five renewals", || site.requests().len() >= before + 5);
    site.until_probe(HELD);
    assert_eq!((site.dir.read("name").as_deref(), site.dir.read("fence")), (Some("Denali"), claim));
    // Each request has a key of its own.
    let mut requests = site.requests();
    let all = requests.len();
    requests.sort();
    requests.dedup();
    assert_eq!(requests.len(), all);
    assert!(!site.log().contains("WARN"), "{}", site.log());
    sidecar.stop();
}

#[test]
fn without_the_agent_a_restarted_sidecar_takes_its_claim_up_again_with_what_it_has_kept() {
    let mut site = Site::new();
    let first = site.start(&[]);
    site.until_probe(HELD);
    let (name, fence) = (site.dir.read("name"), site.dir.read("fence"));
    drop(site.runtime.take());
    drop(first);
    let restarted = site.start(&[]);
    site.until("the restarted one has connected", || {
        site.log().contains("adopted") || {
            site.dir.read("claim.json").is_some_and(|claim| claim.contains("\"incarnation\":2"))
        }
    });
    site.until_probe(HELD);
    assert_eq!((site.dir.read("name"), site.dir.read("fence")), (name, fence));
    restarted.stop();
}

#[test]
fn without_access_the_probe_says_why_and_access_that_comes_later_is_used() {
    let site = Site::new();
    site.answer(Err(Status::unauthenticated("the token has expired")));
    let sidecar = site.start(&[]);
    site.until_probe("Cairn's webhook gives no access to etcd: the token has expired");
    site.answer(Ok(site.access(Duration::from_secs(600))));
    site.until_probe(HELD);
    sidecar.stop();
}

#[test]
fn a_certificate_whose_user_etcd_has_lost_is_replaced_at_once() {
    let site = Site::new();
    let stranger = site.etcd.client("cairn:nobody").unwrap();
    let access = site.access(Duration::from_secs(600));
    let refused = EnrolResponse {
        certificate_chain: stranger.chain,
        shared_key: stranger.key,
        ..access.clone()
    };
    site.answer(Ok(refused));
    let sidecar = site.start(&[]);
    site.until("a first request", || !site.requests().is_empty());
    site.answer(Ok(access));
    site.until_probe(HELD);
    assert!(site.requests().len() >= 2);
    sidecar.stop();
}

#[test]
fn an_agent_of_another_authority_gets_no_token() {
    let site = Site::new();
    let mut other = site.start(&[]);
    other.0.kill().unwrap();
    drop(other);
    let before = site.requests().len();
    fs::remove_dir_all(site.credentials()).unwrap();
    let stranger = Pki::new("stranger").unwrap();
    let site = Site { pki: stranger, ..site };
    let sidecar = site.start(&[]);
    site.until_probe("could not connect to Cairn's webhook at https://localhost:");
    assert_eq!(site.requests().len(), before);
    sidecar.stop();
}
