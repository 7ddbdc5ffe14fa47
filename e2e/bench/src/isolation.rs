//! Measures what authentication costs: claims and renewals on an etcd with TLS, client certificates and a role, beside
//! the same on a plain etcd, and on one with TLS and client certificates alone. All run all the time and are measured
//! in turn, so that other work of the machine meets all alike.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::{Holder, SlotRecord};
use cairn_core::keys;
use cairn_core::lease::LeaseId;
use cairn_core::pool::PoolName;
use cairn_core::time::{BootInstant, UnixMillis};
use cairn_herd::CONNECTIONS;
use cairn_herd::figures::{Figures, percentile};
use cairn_herd::herd::{BenchEnv, Herd};
use cairn_herd::scratch::Scratch;
use cairn_kit::clock;
use cairn_store::etcd::{ClientPem, Etcd, Tls, TlsPem};
use cairn_store::prefix::SCRATCH;
use cairn_store::{Batch, Error, Kv, Store, UserName};
use cairn_test_etcd::{Certificate, Pki};
use etcd_client::{
    Certificate as Root, Client, ConnectOptions, Identity, Permission, TlsOptions, UserAddOptions,
};
use futures::future::try_join_all;
use thiserror::Error;

use crate::claims::{MeasureError, Protocol, Site};
use crate::members::{Members, MembersError};

/// Namespaces with a user and a role of their own, as in a cluster of some size.
const NAMESPACES: usize = 100;
/// The user whose role covers the benchmark's keys.
const USER: &str = "bench";
/// How often both are measured in turn.
const ROUNDS: usize = 10;
/// Claims of one pod alone in each round.
const CLAIMS: usize = 30;
/// Renewals in each round, one after the other.
const RENEWALS: usize = 200;
/// Renewals in each round at once, on as many connections as there are.
const AT_ONCE: usize = 100;
/// The size of the herd.
const HERD: usize = 1000;
/// Herds take a second each.
const HERDS: usize = 5;
/// The time limit of a herd.
const LIMIT: Duration = Duration::from_secs(60);

/// One kind of work without security, with TLS, and with authentication.
#[derive(Clone, Debug)]
pub struct Cost {
    /// What was done.
    pub what: &'static str,
    /// Its time on a plain etcd.
    pub off: Duration,
    /// Its time with TLS and client certificates, without users.
    pub tls: Duration,
    /// Its time with TLS and authentication.
    pub on: Duration,
}

/// Why the cost could not be measured.
#[derive(Debug, Error)]
pub enum IsolationError {
    /// etcd could not be started.
    #[error("there is no etcd to measure")]
    Members(#[from] MembersError),
    /// A herd failed.
    #[error("could not measure claims")]
    Claims(#[from] MeasureError),
    /// A request failed.
    #[error("could not measure renewals")]
    Store(#[from] Error),
    /// Users or roles could not be set up.
    #[error("could not set up authentication")]
    Access(#[source] Box<etcd_client::Error>),
}

/// The times of one etcd, by kind of work.
#[derive(Debug, Default)]
struct Times {
    claims: Vec<Duration>,
    herds: Vec<Duration>,
    renewals: Vec<Duration>,
    at_once: Vec<Duration>,
}

/// One etcd and what was measured on it.
struct Side {
    site: Site,
    times: Times,
}

/// A claim that is held on a connection of its own.
struct Held {
    store: Store<Scratch<Arc<Etcd>>>,
    lease: LeaseId,
    slots: Vec<(PoolName, String)>,
}

/// Measures.
pub async fn measure() -> Result<Vec<Cost>, IsolationError> {
    eprintln!("what authentication costs: one etcd without, one with TLS, one with both");
    let side = |site| Side { site, times: Times::default() };
    let plain = side(Site::new(1, CONNECTIONS).await?);
    let mut sides = [plain, side(encrypted().await?), side(secure().await?)];
    for round in 0..ROUNDS {
        // In turns, so that none is always first.
        let turns = sides.len();
        for turn in 0..turns {
            let Some(side) = sides.get_mut((round + turn) % turns) else { continue };
            side.claims().await?;
            Box::pin(side.renewals()).await?;
            if round < HERDS {
                side.herd().await?;
            }
        }
    }
    let mut cost = |what, of: fn(&mut Times) -> &mut Vec<Duration>| {
        let [off, tls, on] = sides.each_mut().map(|side| p50(of(&mut side.times)));
        Cost { what, off, tls, on }
    };
    Ok(vec![
        cost("one pod claims, p50", |times| &mut times.claims),
        cost("1000 pods claim at once, median", |times| &mut times.herds),
        cost("one pod renews, p50", |times| &mut times.renewals),
        cost("1600 renewals on 16 connections", |times| &mut times.at_once),
    ])
}

/// An etcd that asks for certificates and has no users.
async fn encrypted() -> Result<Site, IsolationError> {
    let pki = Pki::new("bench").map_err(MembersError::from)?;
    let user = pki.client(USER).map_err(MembersError::from)?;
    let members = Members::start_secure(1, pki).await?;
    Ok(Site::of(members, Some(tls(&user)), CONNECTIONS).await?)
}

/// An etcd with authentication, and connections of a user with a role.
async fn secure() -> Result<Site, IsolationError> {
    let pki = Pki::new("bench").map_err(MembersError::from)?;
    let certificate = |user: &str| pki.client(user).map_err(MembersError::from);
    let (root, user) = (certificate(UserName::root().as_str())?, certificate(USER)?);
    let members = Members::start_secure(1, pki).await?;
    let etcd = Etcd::connect(&members.urls(), Some(&tls(&root)), LIMIT).await?;
    etcd.enable_auth().await?;
    for number in 0..NAMESPACES {
        etcd.grant_namespace(&format!("team-{number}"), &[]).await?;
    }
    add_user(&members.urls(), &root)
        .await
        .map_err(|source| IsolationError::Access(source.into()))?;
    Ok(Site::of(members, Some(tls(&user)), CONNECTIONS).await?)
}

/// The benchmark's keys are outside of every namespace, so their role is made by hand.
async fn add_user(urls: &[String], root: &Certificate) -> Result<(), etcd_client::Error> {
    let tls = TlsOptions::new()
        .ca_certificate(Root::from_pem(&root.authorities))
        .identity(Identity::from_pem(&root.chain, &root.key));
    let mut client = Client::connect(urls, Some(ConnectOptions::new().with_tls(tls))).await?;
    client.role_add(USER).await?;
    client.role_grant_permission(USER, Permission::read_write(SCRATCH).with_prefix()).await?;
    client.user_add(USER, "", Some(UserAddOptions::new().with_no_pwd())).await?;
    client.user_grant_role(USER, USER).await?;
    client.user_grant_role(USER, "cairn").await.map(drop)
}

fn tls(certificate: &Certificate) -> Tls {
    let Certificate { authorities, chain, key } = certificate.clone();
    Tls::Pem(TlsPem { authorities, client: Some(ClientPem { chain, key }) })
}

fn p50(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    percentile(times, 50)
}

fn now() -> BootInstant {
    clock::now().boot
}

// === impl Side ===

impl Side {
    async fn claims(&mut self) -> Result<(), IsolationError> {
        for _ in 0..CLAIMS {
            let env = self.site.env(Herd::of(1)).await?;
            let mut claimants = env.start();
            claimants.finish(LIMIT).await;
            self.times.claims.push(Figures::of(claimants.results()).wall);
            claimants.stop().await;
            env.scratch().clear().await?;
        }
        Ok(())
    }

    async fn herd(&mut self) -> Result<(), IsolationError> {
        let run = self.site.run(Protocol::Cairn, Herd::of(HERD), LIMIT).await?;
        self.times.herds.push(run.elapsed);
        Ok(())
    }

    async fn renewals(&mut self) -> Result<(), IsolationError> {
        let env = self.site.env(Herd::of(1)).await?;
        let mut holders = Vec::new();
        for (number, kv) in self.site.connections().iter().enumerate() {
            holders.push(Held::new(&env, Arc::clone(kv), number).await?);
        }
        if let Some(holder) = holders.first() {
            for _ in 0..RENEWALS {
                self.times.renewals.push(holder.renew().await?);
            }
        }
        let begin = now();
        try_join_all(holders.iter().map(Held::renew_often)).await?;
        self.times.at_once.push(now().since(begin));
        env.scratch().clear().await?;
        Ok(())
    }
}

// === impl Held ===

impl Held {
    async fn new(
        env: &BenchEnv<Arc<Etcd>>,
        kv: Arc<Etcd>,
        number: usize,
    ) -> Result<Self, IsolationError> {
        let store = Store::new(env.scratch().by(kv));
        let (pool, path, uid) = (env.pool().name.clone(), env.path(), format!("renewing-{number}"));
        let lease = store.grant(now(), env.pool().spec.lease_ttl()).await?.lease;
        let record = SlotRecord {
            holder: Holder { uid: uid.clone(), ..Holder::default() },
            nonce: uid.clone(),
            since: UnixMillis(0),
            validity_ms: 30_000,
            quarantine_ms: 15_000,
        };
        let slot = path.slot(&uid);
        let mut batch = Batch::default();
        // A struct of plain fields always serialises.
        batch.put(&slot, serde_json::to_vec(&record).unwrap_or_default(), lease);
        batch.put(keys::owner("bench", &uid, &pool), "{}", lease);
        store.kv().read(batch).await?;
        Ok(Self { store, lease, slots: vec![(pool, slot)] })
    }

    async fn renew(&self) -> Result<Duration, Error> {
        let sent = now();
        self.store.renew(sent, self.lease, &self.slots).await?;
        Ok(now().since(sent))
    }

    async fn renew_often(&self) -> Result<(), Error> {
        for _ in 0..AT_ONCE {
            self.renew().await?;
        }
        Ok(())
    }
}
