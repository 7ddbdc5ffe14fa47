//! `cairn shards`: who owns which shard, what waits and why; or how many each member owns.

use std::collections::BTreeMap;

use cairn_core::coordination::map::Shard;
use cairn_core::coordination::owner::{Granted, Ownable};
use cairn_core::coordination::path::GroupPath;
use cairn_kit::clock;
use cairn_kit::exit::Exit;
use serde_json::{Value, json};

use crate::args::group::ShardsArgs;
use crate::etcd::EtcdError;
use crate::groups::waits::Wait;
use crate::groups::{GroupView, Groups, pod_of};
use crate::leader::fence;
use crate::output::Output;
use crate::reach::Reach;
use crate::report::Report;
use crate::table::Table;

/// A shard of a group.
struct Row<'g> {
    path: &'g GroupPath,
    view: &'g GroupView,
    shard: Shard,
    owner: Option<&'g Granted>,
    wait: Wait,
}

/// Runs the command.
pub async fn run(args: &ShardsArgs) -> Result<Report, EtcdError> {
    let etcd = Reach::open(&args.show.read.access).await?;
    let mut groups = Groups::read(&etcd.read().await?);
    groups.select(&args.show.selection);
    groups.groups.retain(|_, view| view.picture.map.is_some() || !view.picture.shards.is_empty());
    let listed = groups.groups.iter().map(|(path, view)| as_json(path, view));
    let object = args.show.read.output.object(|| json!({"groups": listed.collect::<Vec<_>>()}));
    if let Some(text) = object {
        return Ok(Report { text, errors: groups.errors, exit: Exit::Clean });
    }
    let mut text = if groups.groups.is_empty() {
        format!("There is no shard{}.\n", args.show.selection.words())
    } else if args.by_member {
        by_member(&groups, args.show.read.output)
    } else {
        as_table(&groups, args.show.read.output)
    };
    if let Some(lease) = groups.hold {
        text.push_str(&hold(&etcd, lease).await?);
    }
    Ok(Report { text, errors: groups.errors, exit: Exit::Clean })
}

/// What a hold means for the user.
async fn hold(etcd: &Reach, lease: i64) -> Result<String, EtcdError> {
    let left = etcd.leases([lease]).await?;
    let until = match left.get(&lease) {
        Some(left) => format!("for {}s more", left.as_secs()),
        None => "until the webhook, or a sidecar without Kubernetes, has started it".to_owned(),
    };
    Ok(format!("A hold forbids changes of owners {until}.\n"))
}

/// All shards of the map in force, and those that are left of an earlier one.
fn rows<'g>(path: &'g GroupPath, view: &'g GroupView) -> impl Iterator<Item = Row<'g>> {
    let count = view.picture.map.as_ref().map_or(0, |map| map.value.shards);
    let beyond = view.picture.shards.keys().copied().filter(move |shard| *shard >= count);
    (0..count).chain(beyond).map(move |shard| {
        let owner = view.picture.shards.get(&shard);
        Row { path, view, shard, owner, wait: Wait::of(view, Ownable::Shard(shard)) }
    })
}

fn as_table(groups: &Groups, output: Output) -> String {
    let mut table =
        Table::new(["NAMESPACE", "GROUP", "SHARD", "POD", "STATE", "FENCE", "UNTIL", "WHY"])
            .only_wide(&["FENCE"]);
    let now = clock::now().wall;
    for row in groups.groups.iter().flat_map(|(path, view)| rows(path, view)) {
        let until = row.wait.at_most().map(|span| now.after(span).to_string());
        table.push([
            row.path.namespace.clone(),
            row.path.group.to_string(),
            row.shard.to_string(),
            row.pod().unwrap_or_default().to_owned(),
            row.wait.state().to_owned(),
            row.owner.map(|granted| fence(granted).to_string()).unwrap_or_default(),
            until.unwrap_or_default(),
            row.wait.reason().unwrap_or_default(),
        ]);
    }
    table.print(output)
}

/// One line for each member, and one for what has no living owner.
fn by_member(groups: &Groups, output: Output) -> String {
    let mut table = Table::new(["NAMESPACE", "GROUP", "POD", "STATE", "WEIGHT", "COUNT", "SHARDS"]);
    for (path, view) in &groups.groups {
        let mut owned: BTreeMap<Option<&str>, Vec<Shard>> = BTreeMap::new();
        for row in rows(path, view) {
            let living = row.owner.filter(|granted| view.owner(granted).is_some());
            let uid = living.map(|granted| granted.grant.uid.as_str());
            owned.entry(uid).or_default().push(row.shard);
        }
        let mut push = |pod: &str, state: &str, weight: String, shards: &[Shard]| {
            table.push([
                path.namespace.clone(),
                path.group.to_string(),
                pod.to_owned(),
                state.to_owned(),
                weight,
                shards.len().to_string(),
                ranges(shards),
            ]);
        };
        for (uid, member) in &view.picture.members {
            let shards = owned.remove(&Some(uid.as_str())).unwrap_or_default();
            let record = &member.record;
            push(pod_of(view, uid), record.state.as_str(), record.weight.to_string(), &shards);
        }
        if let Some(shards) = owned.remove(&None) {
            push("", "waiting", String::new(), &shards);
        }
    }
    table.print(output)
}

fn as_json(path: &GroupPath, view: &GroupView) -> Value {
    let shard = |row: Row<'_>| {
        json!({
            "shard": row.shard,
            "uid": row.owner.map(|granted| &granted.grant.uid),
            "pod": row.pod(),
            "state": row.wait.state(),
            "fence": row.owner.map(fence),
            "why": row.wait.reason(),
            "waits_at_most_ms": row.wait.at_most().map(|span| span.as_millis()),
        })
    };
    let map = view.picture.map.as_ref();
    json!({
        "namespace": path.namespace,
        "group": path.group,
        "count": map.map(|map| map.value.shards),
        "hash": map.map(|map| map.value.hash),
        "hold": view.picture.hold,
        "shards": rows(path, view).map(shard).collect::<Vec<_>>(),
    })
}

/// `0-3,7`
fn ranges(shards: &[Shard]) -> String {
    let mut ranges: Vec<(Shard, Shard)> = Vec::new();
    for shard in shards {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *shard => *last = *shard,
            _ => ranges.push((*shard, *shard)),
        }
    }
    let one = |(first, last): &(Shard, Shard)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(",")
}

// === impl Row ===

impl Row<'_> {
    fn pod(&self) -> Option<&str> {
        self.owner.map(|granted| pod_of(self.view, &granted.grant.uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_shards_are_printed_as_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[]), "");
    }
}
