//! A real etcd of three members, each in a network namespace of its own, and the faults of its members.
//!
//! The value knows which members run, so that [`Cluster::heal`] can undo every fault. Not for keys: the store reads and
//! writes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cairn_test_etcd::{binary, pki};
use etcd_client::{Client, GetOptions};
use tokio::time::timeout;

use crate::access::Access;
use crate::failure::Failure;
use crate::net::{Link, Net};
use crate::process::Process;
use crate::wait::until;

mod maintenance;

/// The number of members: one of three may fail.
pub const MEMBERS: usize = 3;

/// How long a request of the harness may take before another member is asked.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an election, a cold start or the addition of a member may take on a busy machine.
const RECOVERY: Duration = Duration::from_mins(1);

/// The members.
#[derive(Debug)]
pub struct Cluster {
    net: Net,
    access: Arc<Access>,
    dir: PathBuf,
    binary: PathBuf,
    members: Vec<Member>,
    /// How many stores there have been, the first included.
    generation: usize,
}

#[derive(Debug)]
struct Member {
    certificate: pki::Files,
    process: Option<Process>,
    /// Counts how often the member started with an empty data directory.
    life: u32,
}

// === impl Cluster ===

impl Cluster {
    /// Starts an empty store below a directory. The calling thread must be in the clients' network namespace.
    pub async fn start(net: Net, dir: &Path, access: Arc<Access>) -> Result<Self, Failure> {
        let binary = binary();
        if !binary.exists() {
            return Err(Failure::NoEtcd(binary));
        }
        let mut members = Vec::with_capacity(MEMBERS);
        for member in 0..MEMBERS {
            let [one, other] = net.addresses(member);
            let certificate = access.member(&format!("member{member}"), &[&one, &other])?;
            members.push(Member { certificate, process: None, life: 0 });
        }
        let dir = dir.to_owned();
        let mut cluster = Self { net, access, dir, binary, members, generation: 1 };
        for member in 0..MEMBERS {
            cluster.spawn(member, "new")?;
        }
        cluster.begin().await?;
        Ok(cluster)
    }

    /// The members' URLs for clients.
    pub fn urls(&self) -> Vec<String> {
        (0..MEMBERS).map(|member| self.net.client_url(member)).collect()
    }

    /// The number of stores so far, the present one included.
    pub fn generation(&self) -> usize {
        self.generation
    }

    /// Waits until a linearizable read answers, and returns its revision.
    pub async fn ready(&self) -> Result<i64, Failure> {
        until("etcd to answer", RECOVERY, async || {
            let mut last = String::new();
            for member in 0..MEMBERS {
                match self.revision_at(member).await {
                    Ok(revision) => return Ok(revision),
                    Err(error) => last = error,
                }
            }
            Err(last)
        })
        .await
    }

    /// Waits until every member answers.
    pub async fn whole(&self) -> Result<(), Failure> {
        until("every member of etcd to answer", RECOVERY, async || {
            for member in 0..MEMBERS {
                self.revision_at(member).await?;
            }
            Ok(())
        })
        .await
    }

    /// The member that leads; `None` when no member answers that it is the leader.
    pub async fn leader(&self) -> Option<usize> {
        for member in 0..MEMBERS {
            let Ok(mut client) = self.client(member).await else {
                continue;
            };
            if let Ok(Ok(status)) = timeout(REQUEST_TIMEOUT, client.status()).await
                && let Some(header) = status.header()
                && header.member_id() == status.leader()
            {
                return Some(member);
            }
        }
        None
    }

    /// kill -9.
    pub fn kill(&mut self, member: usize) {
        if let Some(process) = self.member(member).and_then(|member| member.process.take()) {
            process.kill();
        }
    }

    /// Kills a member and starts it again with its data.
    pub fn restart(&mut self, member: usize) -> Result<(), Failure> {
        self.kill(member);
        self.spawn(member, "existing")
    }

    /// SIGSTOP.
    pub fn freeze(&self, member: usize) {
        if let Some(process) = self.process(member) {
            process.freeze();
        }
    }

    /// SIGCONT.
    pub fn thaw(&self, member: usize) {
        if let Some(process) = self.process(member) {
            process.thaw();
        }
    }

    /// Cuts or heals a link.
    pub fn link(&self, member: usize, link: Link, up: bool) -> Result<(), Failure> {
        self.net.set(member, link, up)
    }

    /// Wipes the store: kills all members and starts them with empty data directories.
    pub async fn wipe(&mut self) -> Result<(), Failure> {
        for member in 0..MEMBERS {
            self.kill(member);
        }
        self.generation += 1;
        for member in 0..MEMBERS {
            if let Some(wiped) = self.member(member) {
                wiped.life += 1;
            }
            self.spawn(member, "new")?;
        }
        self.begin().await
    }

    /// Waits for a new store, and sets up its users.
    async fn begin(&self) -> Result<(), Failure> {
        self.ready().await?;
        self.access.set_up(&self.urls()).await
    }

    /// Undoes every fault that can be undone.
    pub async fn heal(&mut self) -> Result<(), Failure> {
        for member in 0..MEMBERS {
            self.link(member, Link::Peers, true)?;
            self.link(member, Link::Clients, true)?;
            self.thaw(member);
            let gone = self.members.get_mut(member).is_none_or(|member| {
                member.process.as_mut().is_none_or(|process| process.ended().is_some())
            });
            if gone {
                self.restart(member)?;
            }
        }
        self.whole().await
    }

    /// A client of one member.
    async fn client(&self, member: usize) -> Result<Client, String> {
        let options = self
            .access
            .options()
            .with_connect_timeout(REQUEST_TIMEOUT)
            .with_timeout(REQUEST_TIMEOUT);
        within(Client::connect([self.net.client_url(member)], Some(options))).await
    }

    async fn revision_at(&self, member: usize) -> Result<i64, String> {
        let mut client = self.client(member).await?;
        let answer = within(client.get("/", Some(GetOptions::new().with_count_only()))).await?;
        Ok(answer.header().map_or(0, etcd_client::ResponseHeader::revision))
    }

    fn data(&self, member: usize, life: u32) -> PathBuf {
        self.dir.join(format!("etcd{member}-{life}"))
    }

    fn member(&mut self, member: usize) -> Option<&mut Member> {
        self.members.get_mut(member)
    }

    fn process(&self, member: usize) -> Option<&Process> {
        self.members.get(member)?.process.as_ref()
    }

    fn spawn(&mut self, member: usize, state: &str) -> Result<(), Failure> {
        let Some(Member { certificate, life, .. }) = self.members.get(member) else {
            return Ok(());
        };
        let [authorities, chain, key] =
            [&certificate.authorities, &certificate.chain, &certificate.key]
                .map(|file| file.to_string_lossy().into_owned());
        let data = self.data(member, *life);
        fs::create_dir_all(&data)
            .map_err(|source| Failure::system(format!("making {}", data.display()), source))?;
        let (namespace, client, peer) = (
            self.net.namespace_file(member),
            self.net.client_url(member),
            self.net.peer_url(member),
        );
        let everyone = (0..MEMBERS)
            .map(|member| format!("etcd{member}={}", self.net.peer_url(member)))
            .collect::<Vec<_>>()
            .join(",");
        let process = Process::start(
            &[
                "nsenter",
                &format!("--net={}", namespace.display()),
                &self.binary.to_string_lossy(),
                "--name",
                &format!("etcd{member}"),
                "--data-dir",
                &data.to_string_lossy(),
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
                "--initial-cluster",
                &everyone,
                "--initial-cluster-state",
                state,
                "--initial-cluster-token",
                &format!("generation-{}", self.generation),
                "--client-cert-auth",
                "--trusted-ca-file",
                &authorities,
                "--cert-file",
                &chain,
                "--key-file",
                &key,
                "--peer-client-cert-auth",
                "--peer-trusted-ca-file",
                &authorities,
                "--peer-cert-file",
                &chain,
                "--peer-key-file",
                &key,
                // It would connect with the member's own certificate.
                "--enable-grpc-gateway=false",
                // As the chart does: the clients' port serves gRPC alone.
                "--listen-client-http-urls=https://127.0.0.1:0",
                // A killed process loses no data that the kernel has. fsync matters only when the machine crashes.
                "--unsafe-no-fsync",
                "--log-level",
                "warn",
            ],
            &[],
            &self.dir.join(format!("etcd{member}.log")),
        )?;
        if let Some(started) = self.member(member) {
            started.process = Some(process);
        }
        Ok(())
    }
}

/// One request of the harness, with its timeout.
async fn within<T>(call: impl Future<Output = Result<T, etcd_client::Error>>) -> Result<T, String> {
    match timeout(REQUEST_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {REQUEST_TIMEOUT:?}")),
    }
}
