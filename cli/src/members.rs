//! `cairn members`: the members of groups, and pods that an administrator keeps out. `cairn members drop` ends a
//! membership (C10 in `docs/coordination.md`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::map::ShardMap;
use cairn_core::coordination::member::Member;
use cairn_core::coordination::path::GroupPath;
use cairn_core::duration;
use cairn_kit::clock;
use cairn_kit::exit::Exit;
use serde_json::{Value, json};

use crate::args::group::{GroupArgs, MemberArgs};
use crate::etcd::EtcdError;
use crate::groups::waits::not_eligible;
use crate::groups::{GroupView, Groups, title};
use crate::output::Output;
use crate::reach::Reach;
use crate::report::Report;
use crate::table::Table;

/// Runs the command.
pub async fn run(args: &GroupArgs) -> Result<Report, EtcdError> {
    let etcd = Reach::open(&args.read.access).await?;
    let mut groups = Groups::read(&etcd.read().await?);
    groups.select(&args.selection);
    let of_views = groups.groups.values();
    let leases = of_views.flat_map(|view| {
        view.leases.values().copied().chain(view.dropped.values().map(|kept| kept.lease))
    });
    let leases = etcd.leases(leases).await?;
    let nobody = |view: &GroupView| view.picture.members.is_empty() && view.dropped.is_empty();
    let listed = groups.groups.iter().map(|(path, view)| as_json(path, view, &leases));
    let text = match args.read.output.object(|| json!({"groups": listed.collect::<Vec<_>>()})) {
        Some(text) => text,
        None if groups.groups.values().all(nobody) => {
            format!("There is no member{}.\n", args.selection.words())
        }
        None => as_table(&groups, &leases, args.read.output),
    };
    Ok(Report { text, errors: groups.errors, exit: Exit::Clean })
}

/// Runs `members drop`.
pub async fn drop(args: &MemberArgs) -> Result<Report, EtcdError> {
    let etcd = Reach::open(&args.access).await?;
    let mut groups = Groups::read(&etcd.read().await?);
    groups.select(&args.selection);
    let (path, uid, member) = match groups.member(&args.pod) {
        Ok(found) => found,
        Err(message) => return Ok(Report::refused(message)),
    };
    let owned = groups.groups.get(path).map_or(0, |view| view.owned(uid));
    let dropped = etcd.store().drop_member(path, uid, clock::now().wall).await;
    let Some(_) = dropped.map_err(EtcdError::Unsure)? else {
        return Ok(Report::refused(format!(
            "'{}' is no member of {} any more; see cairn members",
            args.pod,
            title(path)
        )));
    };
    let validity = member.record.validity_ms;
    let text = format!(
        "Pod '{}' is no member of {} any more and is kept out for 10 minutes. Its app may serve for {} \
         more; the {owned} shards that it owned are taken over within {:.1}s.\n",
        member.record.pod,
        title(path),
        duration::print(validity.span()),
        validity.takeover_delay().as_secs_f64(),
    );
    Ok(Report { text, ..Report::default() })
}

fn as_table(groups: &Groups, leases: &BTreeMap<i64, Duration>, output: Output) -> String {
    let mut table = Table::new([
        "NAMESPACE",
        "GROUP",
        "POD",
        "NODE",
        "NAME",
        "STATE",
        "LEADS",
        "SHARDS",
        "WEIGHT",
        "GENERATION",
        "LEASE",
        "WHY",
    ])
    .only_wide(&["NODE", "WEIGHT", "GENERATION", "LEASE"]);
    let left = |lease: Option<i64>| {
        let left = lease.and_then(|lease| leases.get(&lease));
        left.map(|left| format!("{}s", left.as_secs())).unwrap_or_default()
    };
    for (path, view) in &groups.groups {
        for (uid, member) in &view.picture.members {
            let Member { record, .. } = &**member;
            let claim = record.claims.first().map(|claim| claim.name.clone());
            table.push([
                path.namespace.clone(),
                path.group.to_string(),
                record.pod.clone(),
                record.node.clone(),
                claim.unwrap_or_default(),
                record.state.as_str().to_owned(),
                if view.leads(uid) { "yes".to_owned() } else { String::new() },
                view.owned(uid).to_string(),
                record.weight.to_string(),
                record.generation.clone(),
                left(view.leases.get(uid).copied()),
                not_eligible(&view.picture, record).unwrap_or_default(),
            ]);
        }
        for (uid, kept) in &view.dropped {
            let mut row: [String; 12] = Default::default();
            let [namespace, group, pod, _, _, state, .., lease, why] = &mut row;
            namespace.clone_from(&path.namespace);
            *group = path.group.to_string();
            uid.clone_into(pod);
            "dropped".clone_into(state);
            *lease = left(Some(kept.lease));
            *why = format!("kept out by an administrator since {}", kept.record.since);
            table.push(row);
        }
    }
    table.print(output)
}

fn as_json(path: &GroupPath, view: &GroupView, leases: &BTreeMap<i64, Duration>) -> Value {
    let left = |lease: Option<&i64>| {
        json!(lease.and_then(|lease| leases.get(lease)).map(Duration::as_secs))
    };
    let member = |(uid, member): (&String, &Arc<Member>)| {
        let record = &member.record;
        json!({
            "uid": uid,
            "pod": record.pod,
            "node": record.node,
            "claims": record.claims,
            "identity": record.identity(uid),
            "generation": record.generation,
            "admitted": record.admitted.to_string(),
            "state": record.state,
            "weight": record.weight,
            "coordinates": record.roles,
            "map": record.map.map(map_json),
            "endpoints": record.endpoints,
            "tags": record.tags,
            "validity_ms": record.validity_ms,
            "session": member.session,
            "revision": member.revision,
            "leads": view.leads(uid),
            "resigned": record.resigned,
            "shards": view.owned(uid),
            "lease_seconds": left(view.leases.get(uid)),
            "why": not_eligible(&view.picture, record),
        })
    };
    let kept_out = view.dropped.iter().map(|(uid, kept)| {
        json!({
            "uid": uid,
            "since": kept.record.since.to_string(),
            "lease_seconds": left(Some(&kept.lease)),
        })
    });
    json!({
        "namespace": path.namespace,
        "group": path.group,
        "map": view.picture.map.as_ref().map(|map| map_json(map.value)),
        "members": view.picture.members.iter().map(member).collect::<Vec<_>>(),
        "kept_out": kept_out.collect::<Vec<_>>(),
    })
}

fn map_json(map: ShardMap) -> Value {
    json!({"shards": map.shards, "hash": map.hash})
}
