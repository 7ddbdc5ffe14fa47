//! `cairn pools`: the pools and how many of their names are taken.
//!
//! A namespace pool has its capacity once for each namespace and group. Held names and names in quarantine are counted
//! over all of them.

use cairn_core::duration;
use cairn_core::pool::{OnLoss, Pool, Scope};
use cairn_kit::exit::Exit;
use serde_json::{Value, json};

use crate::args::PoolsArgs;
use crate::etcd::EtcdError;
use crate::output::Output;
use crate::reach::Reach;
use crate::report::Report;
use crate::snapshot::Snapshot;
use crate::table::Table;

/// A pool with its counts.
struct Row<'s> {
    pool: &'s Pool,
    held: usize,
    resting: usize,
    waiting: usize,
}

/// Runs the command.
pub async fn run(args: &PoolsArgs) -> Result<Report, EtcdError> {
    let snapshot = Snapshot::read(&Reach::open(&args.read.access).await?.read().await?);
    let rows: Vec<Row<'_>> = snapshot.pools.values().map(|pool| count(pool, &snapshot)).collect();
    let object = || json!({"pools": rows.iter().map(as_json).collect::<Vec<_>>()});
    let text = match args.read.output.object(object) {
        Some(text) => text,
        None if rows.is_empty() => {
            "No pool is defined; the webhook or a sidecar defines them once it reaches this etcd.\n"
                .to_owned()
        }
        None => as_table(&rows, args.read.output),
    };
    Ok(Report { text, errors: snapshot.errors, exit: Exit::Clean })
}

fn count<'s>(pool: &'s Pool, snapshot: &Snapshot) -> Row<'s> {
    let of_pool = snapshot.taken.iter().filter(|name| name.path.pool == pool.name);
    let (held, resting): (Vec<_>, Vec<_>) = of_pool.partition(|name| name.claim.is_some());
    let waiting = snapshot.waiting.iter().filter(|pod| pod.path.pool == pool.name).count();
    Row { pool, held: held.len(), resting: resting.len(), waiting }
}

fn as_table(rows: &[Row<'_>], output: Output) -> String {
    let mut table = Table::new([
        "NAME",
        "SCOPE",
        "CAPACITY",
        "HELD",
        "RESTING",
        "WAITING",
        "ONLOSS",
        "VALIDITY",
        "QUARANTINE",
        "ONEXHAUSTED",
        "CLOCK",
        "PREFIX",
    ])
    .only_wide(&["ONEXHAUSTED", "CLOCK", "PREFIX"]);
    for Row { pool, held, resting, waiting } in rows {
        table.push([
            pool.name.to_string(),
            scope(pool.spec.scope).to_owned(),
            pool.names.len().to_string(),
            held.to_string(),
            resting.to_string(),
            waiting.to_string(),
            on_loss(pool.spec.on_loss).to_owned(),
            duration::print(pool.spec.validity),
            duration::print(pool.spec.quarantine),
            format!("{:?}", pool.spec.on_exhausted),
            format!("{:?}", pool.spec.clock),
            pool.spec.prefix.as_str().to_owned(),
        ]);
    }
    table.print(output)
}

fn as_json(row: &Row<'_>) -> Value {
    let Row { pool, held, resting, waiting } = row;
    json!({
        "name": pool.name,
        "scope": scope(pool.spec.scope),
        "capacity": pool.names.len(),
        "held": held,
        "resting": resting,
        "waiting": waiting,
        "onLoss": on_loss(pool.spec.on_loss),
        "validity": duration::print(pool.spec.validity),
        "quarantine": duration::print(pool.spec.quarantine),
    })
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Namespace => "Namespace",
        Scope::Cluster => "Cluster",
    }
}

fn on_loss(rule: OnLoss) -> &'static str {
    match rule {
        OnLoss::Keep => "Keep",
        OnLoss::Stop => "Stop",
    }
}
