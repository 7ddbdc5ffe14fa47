//! `cairn owner KEY`: the shard of a key, and who owns it.

use cairn_core::coordination::lookup::shard_of;
use cairn_core::coordination::owner::Ownable;
use serde_json::json;

use crate::args::group::OwnerArgs;
use crate::etcd::EtcdError;
use crate::groups::waits::Wait;
use crate::groups::{Groups, pod_of, title};
use crate::leader::fence;
use crate::reach::Reach;
use crate::report::Report;
use crate::table::Table;

/// Runs the command.
pub async fn run(args: &OwnerArgs) -> Result<Report, EtcdError> {
    let mut groups = Groups::read(&Reach::open(&args.show.read.access).await?.read().await?);
    groups.select(&args.show.selection);
    // A group without a map has no shard that a key could have.
    groups.groups.retain(|_, view| view.picture.map.is_some());
    let (path, view) = match groups.only() {
        Ok(only) => only,
        Err(message) => return Ok(Report::refused(message)),
    };
    let Some(map) = &view.picture.map else {
        return Ok(Report::refused(format!("{} has no shards", title(path))));
    };
    let shard = match shard_of(&map.value, args.key.as_bytes()) {
        Ok(shard) => shard,
        Err(error) => return Ok(Report::refused(error.to_string())),
    };
    let owner = view.picture.shards.get(&shard);
    let wait = Wait::of(view, Ownable::Shard(shard));
    let member = owner.and_then(|granted| view.owner(granted));
    let pod = owner.map(|granted| pod_of(view, &granted.grant.uid));
    let object = || {
        json!({
            "namespace": path.namespace,
            "group": path.group,
            "key": args.key,
            "shard": shard,
            "uid": owner.map(|granted| &granted.grant.uid),
            "pod": pod,
            "endpoints": member.map(|member| &member.record.endpoints),
            "state": wait.state(),
            "fence": owner.map(fence),
            "why": wait.reason(),
            "waits_at_most_ms": wait.at_most().map(|span| span.as_millis()),
        })
    };
    let text = if let Some(text) = args.show.read.output.object(object) {
        text
    } else {
        let endpoints = member.map(|member| &member.record.endpoints).into_iter().flatten();
        let endpoints: Vec<_> =
            endpoints.map(|(name, address)| format!("{name}={address}")).collect();
        let mut table =
            Table::new(["NAMESPACE", "GROUP", "SHARD", "POD", "STATE", "ENDPOINTS", "WHY"]);
        table.push([
            path.namespace.clone(),
            path.group.to_string(),
            shard.to_string(),
            pod.unwrap_or_default().to_owned(),
            wait.state().to_owned(),
            endpoints.join(","),
            wait.reason().unwrap_or_default(),
        ]);
        table.print(args.show.read.output)
    };
    Ok(Report { text, errors: groups.errors.clone(), ..Report::default() })
}
