//! `cairn claims`: the held names and their holders, the waiting pods, and the names in quarantine.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::pool::PoolName;
use cairn_core::suggest;
use cairn_core::time::UnixMillis;
use cairn_kit::clock;
use cairn_kit::exit::Exit;
use serde_json::{Value, json};

use crate::args::ClaimsArgs;
use crate::etcd::EtcdError;
use crate::output::Output;
use crate::reach::Reach;
use crate::report::Report;
use crate::snapshot::{Claim, Snapshot, TakenName, Waiting};
use crate::table::{Table, age_of};

/// What the command prints.
struct Listing<'s> {
    taken: Vec<&'s TakenName>,
    waiting: Vec<&'s Waiting>,
    /// The time left of each lease.
    leases: BTreeMap<i64, Duration>,
}

/// Runs the command.
pub async fn run(args: &ClaimsArgs) -> Result<Report, EtcdError> {
    let etcd = Reach::open(&args.read.access).await?;
    let snapshot = Snapshot::read(&etcd.read().await?);
    // An empty environment variable counts as none.
    let namespace = args.namespace.as_deref().filter(|text| !text.is_empty());
    let pool = args.pool.as_deref().filter(|text| !text.is_empty());
    let wanted = |path: &ClaimPath, of: Option<&str>| {
        namespace.is_none_or(|wanted| of == Some(wanted))
            && pool.is_none_or(|wanted| path.pool.as_str() == wanted)
    };
    let taken = snapshot.taken.iter().filter(|name| wanted(&name.path, name.namespace()));
    let waiting =
        snapshot.waiting.iter().filter(|pod| wanted(&pod.path, Some(&pod.holder().namespace)));
    let mut listing =
        Listing { taken: taken.collect(), waiting: waiting.collect(), leases: BTreeMap::new() };
    if let Some(wanted) = pool
        && let Some(report) = unknown(wanted, &snapshot)
    {
        return Ok(report);
    }
    listing.leases = etcd.leases(listing.lease_ids()).await?;
    let text = match args.read.output.object(|| listing.as_json()) {
        Some(text) => text,
        None if listing.is_empty() => nothing(namespace, pool),
        None => listing.as_table(args.read.output, clock::now().wall),
    };
    Ok(Report { text, errors: snapshot.errors, exit: Exit::Clean })
}

/// The error for a pool that is neither defined nor claimed from.
fn unknown(wanted: &str, snapshot: &Snapshot) -> Option<Report> {
    if snapshot.taken.iter().any(|entry| entry.path.pool.as_str() == wanted)
        || snapshot.pools.keys().any(|known| known.as_str() == wanted)
    {
        return None;
    }
    let mut errors = snapshot.errors.clone();
    let known = snapshot.pools.keys().map(PoolName::as_str);
    errors.push(match suggest::nearest(wanted, known) {
        Some(near) => format!("pool '{wanted}' does not exist; did you mean '{near}'?"),
        None => format!("pool '{wanted}' does not exist; see cairn pools"),
    });
    Some(Report { errors, exit: Exit::Failed, ..Report::default() })
}

fn nothing(namespace: Option<&str>, pool: Option<&str>) -> String {
    let of_pool = pool.map(|pool| format!(" of pool '{pool}'")).unwrap_or_default();
    let within = namespace.map(|name| format!(" in namespace '{name}'")).unwrap_or_default();
    format!("No name{of_pool} is held, rests, or is waited for{within}.\n")
}

// === impl Listing ===

impl Listing<'_> {
    fn is_empty(&self) -> bool {
        self.taken.is_empty() && self.waiting.is_empty()
    }

    fn lease_ids(&self) -> Vec<i64> {
        let held = self.taken.iter().map(|entry| entry.lease);
        held.chain(self.waiting.iter().map(|pod| pod.lease)).collect()
    }

    fn as_table(&self, output: Output, now: UnixMillis) -> String {
        let mut table = Table::new([
            "NAMESPACE",
            "POOL",
            "GROUP",
            "NAME",
            "STATE",
            "RANK",
            "POD",
            "NODE",
            "FENCE",
            "AGE",
            "SINCE",
            "LEASE",
        ])
        .only_wide(&["NODE", "SINCE", "LEASE"]);
        let left = |lease: i64| {
            self.leases.get(&lease).map(|left| format!("{}s", left.as_secs())).unwrap_or_default()
        };
        for entry in &self.taken {
            let mut of_claim: [String; 6] = Default::default();
            let [state, pod, node, fence, age, since] = &mut of_claim;
            match &entry.claim {
                None => "resting".clone_into(state),
                Some(Claim { record, fence: of_claim }) => {
                    "held".clone_into(state);
                    pod.clone_from(&record.holder.pod);
                    node.clone_from(&record.holder.node);
                    *fence = of_claim.to_string();
                    *age = age_of(now.since(record.since));
                    *since = record.since.to_string();
                }
            }
            let [state, pod, node, fence, age, since] = of_claim;
            table.push([
                entry.namespace().unwrap_or_default().to_owned(),
                entry.path.pool.to_string(),
                entry.group().to_owned(),
                entry.name.clone(),
                state,
                String::new(),
                pod,
                node,
                fence,
                age,
                since,
                left(entry.lease),
            ]);
        }
        for pod in &self.waiting {
            table.push([
                pod.holder().namespace.clone(),
                pod.path.pool.to_string(),
                pod.group().to_owned(),
                String::new(),
                "waiting".to_owned(),
                pod.rank.to_string(),
                pod.holder().pod.clone(),
                pod.holder().node.clone(),
                String::new(),
                age_of(now.since(pod.record.since)),
                pod.record.since.to_string(),
                left(pod.lease),
            ]);
        }
        table.print(output)
    }

    /// Held names in the form of `claim.json`, as far as etcd knows it.
    fn as_json(&self) -> Value {
        let (mut claims, mut resting) = (Vec::new(), Vec::new());
        let left = |lease: i64| json!(self.leases.get(&lease).map(Duration::as_secs));
        for entry in &self.taken {
            let mut object = json!({
                "namespace": entry.namespace(),
                "pool": entry.path.pool,
                "group": entry.group(),
                "name": entry.name,
                "index": entry.index,
                "lease_seconds": left(entry.lease),
            });
            match &entry.claim {
                None => resting.push(object),
                Some(claim) => {
                    if let Some(fields) = object.as_object_mut() {
                        fields.insert("state".to_owned(), json!("held"));
                        fields.insert("fence".to_owned(), json!(claim.fence));
                        fields.insert("since".to_owned(), json!(claim.record.since.to_string()));
                        fields.insert("holder".to_owned(), json!(claim.record.holder));
                    }
                    claims.push(object);
                }
            }
        }
        let waits = |pod: &&Waiting| {
            json!({
                "namespace": pod.holder().namespace,
                "pool": pod.path.pool,
                "group": pod.group(),
                "state": "waiting",
                "rank": pod.rank,
                "since": pod.record.since.to_string(),
                "holder": pod.holder(),
                "lease_seconds": left(pod.lease),
            })
        };
        let waiting: Vec<Value> = self.waiting.iter().map(waits).collect();
        json!({"claims": claims, "waiting": waiting, "resting": resting})
    }
}
