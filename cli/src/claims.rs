//! `cairn claims`: who holds which name, and which names rest until they may be given out again.

use cairn_core::pool::PoolName;
use cairn_core::suggest;
use serde_json::{Value, json};

use crate::args::{ClaimsArgs, Output};
use crate::entry::{Exit, Report};
use crate::etcd::{self, EtcdError};
use crate::snapshot::{Entry, Snapshot};
use crate::table::Table;

/// Runs the command.
pub async fn run(args: &ClaimsArgs) -> Result<Report, EtcdError> {
    Ok(report(args, Snapshot::read(&etcd::read(&args.etcd).await?)))
}

fn report(args: &ClaimsArgs, snapshot: Snapshot) -> Report {
    // An empty variable in the environment is as good as none.
    let namespace = args.namespace.as_deref().filter(|text| !text.is_empty());
    let pool = args.pool.as_deref().filter(|text| !text.is_empty());
    let entries: Vec<&Entry> = snapshot
        .entries
        .iter()
        .filter(|entry| namespace.is_none_or(|wanted| entry.namespace() == Some(wanted)))
        .filter(|entry| pool.is_none_or(|wanted| entry.path.pool.as_str() == wanted))
        .collect();
    if let Some(wanted) = pool
        && !snapshot.entries.iter().any(|entry| entry.path.pool.as_str() == wanted)
        && !snapshot.pools.keys().any(|known| known.as_str() == wanted)
    {
        let mut trouble = snapshot.trouble;
        let known = snapshot.pools.keys().map(PoolName::as_str);
        trouble.push(match suggest::nearest(wanted, known) {
            Some(near) => format!("pool '{wanted}' does not exist; did you mean '{near}'?"),
            None => format!("pool '{wanted}' does not exist; see cairn pools"),
        });
        return Report { trouble, exit: Exit::Failed, ..Report::default() };
    }
    let text = match args.output {
        Output::Json => format!("{:#}\n", as_json(&entries)),
        Output::Table if entries.is_empty() => nothing(namespace, pool),
        Output::Table => as_table(&entries),
    };
    Report { text, trouble: snapshot.trouble, exit: Exit::Fine }
}

fn nothing(namespace: Option<&str>, pool: Option<&str>) -> String {
    let of_pool = pool.map(|pool| format!(" of pool '{pool}'")).unwrap_or_default();
    let within = namespace.map(|name| format!(" in namespace '{name}'")).unwrap_or_default();
    format!("No name{of_pool} is held or rests{within}.\n")
}

fn as_table(entries: &[&Entry]) -> String {
    let mut table = Table::new([
        "NAMESPACE",
        "POOL",
        "GROUP",
        "NAME",
        "STATE",
        "POD",
        "NODE",
        "FENCE",
        "SINCE",
    ]);
    for entry in entries {
        let [state, pod, node, fence, since] = match &entry.claim {
            None => {
                ["resting".to_owned(), String::new(), String::new(), String::new(), String::new()]
            }
            Some(claim) => [
                "held".to_owned(),
                claim.record.holder.pod.clone(),
                claim.record.holder.node.clone(),
                claim.fence.to_string(),
                claim.record.since.to_string(),
            ],
        };
        table.push([
            entry.namespace().unwrap_or_default().to_owned(),
            entry.path.pool.to_string(),
            entry.group().to_owned(),
            entry.name.clone(),
            state,
            pod,
            node,
            fence,
            since,
        ]);
    }
    table.print()
}

/// Held names in the form of `claim.json`, as far as etcd knows it.
fn as_json(entries: &[&Entry]) -> Value {
    let (mut claims, mut resting) = (Vec::new(), Vec::new());
    for entry in entries {
        let mut object = json!({
            "namespace": entry.namespace(),
            "pool": entry.path.pool,
            "group": entry.group(),
            "name": entry.name,
            "index": entry.index,
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
    json!({"claims": claims, "resting": resting})
}
