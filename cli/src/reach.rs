//! A connection to Cairn's etcd: the one of the flags, or, when they name none, that of the Kubernetes cluster.
//!
//! In the cluster, the webhook signs a certificate that is valid for minutes (`cairn-webhook etcd-certificate`), as the
//! user may run programs in its pod. Key and certificate stay in memory. The bundled etcd is reached by ports that the
//! API server forwards; another one directly.
//!
//! A request fails only after every member was tried.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cairn_core::contract::flag;
use cairn_core::keys;
use cairn_kit::etcd::{Endpoints, EtcdArgs};
use cairn_store::etcd::{Alarm, Connection, Etcd, MemberStatus, Tls};
use cairn_store::{Class, ExpectedCluster, KeyValue, Kv as _, Store};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kube::ResourceExt;

use crate::args::access::AccessArgs;
use crate::cluster::forward::Forward;
use crate::cluster::webhook_pod::WebhookPod;
use crate::cluster::{Cluster, ClusterError, etcd_pods, is_ready};
use crate::etcd::EtcdError;
use crate::progress::Progress;

/// A request through the API server takes more hops.
const FORWARDED_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that opens at its first request.
#[derive(Debug)]
pub struct Reach {
    etcd: Arc<Etcd>,
    /// How each member is reached: what it is called, and its URL.
    members: Vec<(String, String)>,
    /// The pods, when ports of them are forwarded.
    pods: Option<String>,
    _forwards: Vec<Forward>,
}

/// How etcd is.
#[derive(Clone, Debug)]
pub struct Health {
    /// What each member says of itself, or why it does not answer.
    pub members: Vec<(String, Result<MemberStatus, String>)>,
    /// The alarms that are on, or why they are not known.
    pub alarms: Result<Vec<Alarm>, String>,
}

// === impl Reach ===

impl Reach {
    /// The etcd that is meant.
    pub async fn open(args: &AccessArgs) -> Result<Self, EtcdError> {
        // Half of the flags is a mistake, not a wish for the cluster's etcd.
        if args.etcd.first_of_connection().is_some() {
            return Self::at(&args.etcd).await;
        }
        let _progress = Progress::say("asking the cluster for access to etcd");
        Self::through(&Cluster::open(&args.cluster).await?, &args.etcd).await
    }

    /// The etcd of the flags.
    pub async fn at(args: &EtcdArgs) -> Result<Self, EtcdError> {
        let target = args.target()?;
        let etcd = Etcd::open(&target.connection()).await.map_err(EtcdError::Setup)?;
        let named = |url: &String| (url.clone(), url.clone());
        let members = target.endpoints.urls().iter().map(named).collect();
        let etcd = Arc::new(etcd);
        Ok(Self { etcd, members, pods: None, _forwards: Vec::new() })
    }

    /// The etcd of a cluster. `given` may say which keys in it are meant.
    pub async fn through(cluster: &Cluster, given: &EtcdArgs) -> Result<Self, EtcdError> {
        let webhook = WebhookPod::find(cluster).await?;
        let of_webhook = |flag: &str| webhook.flag(flag).map(str::to_owned);
        let prefix = given.etcd_prefix.clone().or_else(|| of_webhook(flag::ETCD_PREFIX));
        let identity = EtcdArgs { etcd_prefix: prefix, ..given.clone() }.identity()?;
        let urls = webhook.flag(flag::ETCD).unwrap_or_default();
        let endpoints = Endpoints::parse(flag::ETCD, urls)
            .map_err(|_| ClusterError::UnknownEtcd(webhook.name()))?;
        let tls =
            if endpoints.is_secure() { Some(webhook.certificate(cluster).await?) } else { None };
        let mut forwards = Vec::new();
        let mut pods = None;
        let named = |url: &String| (url.clone(), url.clone());
        let mut members: Vec<_> = endpoints.urls().iter().map(named).collect();
        if webhook.flag(etcd_pods::BUNDLED).is_some() {
            let found = etcd_pods::all(cluster, &webhook).await?;
            let ready: Vec<String> =
                found.iter().filter(|pod| is_ready(pod)).map(ResourceExt::name_any).collect();
            for pod in &ready {
                forwards.push(Forward::open(cluster, pod, etcd_pods::CLIENTS).await?);
            }
            if ready.is_empty() {
                return Err(ClusterError::NoEtcd(cluster.namespace.clone()).into());
            }
            let url = |of: &Forward| format!("https://127.0.0.1:{}", of.port);
            members = ready.iter().cloned().zip(forwards.iter().map(url)).collect();
            pods = Some(format!("{} in namespace '{}'", ready.join(", "), cluster.namespace));
        }
        let urls: Vec<String> = members.iter().map(|(_, url)| url.clone()).collect();
        let connection = Connection {
            tls: tls.map(Tls::Pem),
            request_timeout: FORWARDED_TIMEOUT,
            prefix: identity.prefix,
            cluster: identity.cluster.map_or(ExpectedCluster::Any, ExpectedCluster::Required),
            ..Connection::new(&urls)
        };
        let etcd = Etcd::open(&connection).await.map_err(EtcdError::Setup)?;
        Ok(Self { etcd: Arc::new(etcd), members, pods, _forwards: forwards })
    }

    /// The protocol's transactions on it.
    pub fn store(&self) -> Store<Arc<Etcd>> {
        Store::new(Arc::clone(&self.etcd))
    }

    /// The connection, for as long as this value lives.
    pub fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// The connection itself, for an etcd of the flags.
    pub fn into_etcd(self) -> Arc<Etcd> {
        self.etcd
    }

    /// Reads all of Cairn's keys at one revision.
    pub async fn read(&self) -> Result<Vec<KeyValue>, EtcdError> {
        let (_, found) = self.ask_each(async || self.etcd.list(keys::ROOT).await).await?;
        Ok(found)
    }

    /// The time left of each lease, without those that have ended.
    pub async fn leases(
        &self,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<BTreeMap<i64, Duration>, EtcdError> {
        /// The number of parallel requests on the connection.
        const AT_ONCE: usize = 32;
        let ids: BTreeSet<i64> = ids.into_iter().filter(|lease| *lease != 0).collect();
        let left = async |lease: i64| {
            let left = self.ask_each(async || self.etcd.time_to_live(lease).await).await?;
            Ok::<_, EtcdError>(left.map(|left| (lease, left)))
        };
        let found: Vec<_> = stream::iter(ids).map(left).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// How etcd is, each member under the name by which it is reached.
    pub async fn health(&self) -> Health {
        let found = self.etcd.health().await;
        let name = |url: &str| {
            let named = self.members.iter().find(|(_, of)| of == url);
            named.map_or(url, |(name, _)| name).to_owned()
        };
        let members = found
            .endpoints
            .into_iter()
            .map(|endpoint| (name(&endpoint.url), endpoint.status.map_err(|error| error.report())));
        let alarms = found.alarms.map_err(|error| error.report());
        let alarms = alarms.map(|found| found.into_iter().map(|of| of.alarm).collect());
        Health { members: members.collect(), alarms }
    }

    /// Sends a request until a member has responded or every member was tried.
    async fn ask_each<T>(
        &self,
        request: impl AsyncFn() -> Result<T, cairn_store::Error>,
    ) -> Result<T, EtcdError> {
        let mut untried = self.members.len();
        loop {
            untried -= 1;
            match request().await {
                // The connection has moved to the next member.
                Err(error) if error.is_transient() && untried > 0 => {}
                answer => return answer.map_err(|error| self.explain(error)),
            }
        }
    }

    fn explain(&self, error: cairn_store::Error) -> EtcdError {
        match &self.pods {
            Some(pods) if error.class() != Class::Denied => {
                EtcdError::Forwarded { error, pods: pods.clone() }
            }
            _ => error.into(),
        }
    }
}
