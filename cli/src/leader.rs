//! `cairn leader`: who leads each group, and what the leadership waits for.

use cairn_core::claim::Fence;
use cairn_core::coordination::owner::{Granted, Ownable};
use cairn_core::coordination::path::GroupPath;
use cairn_kit::exit::Exit;
use serde_json::{Value, json};

use crate::args::group::GroupArgs;
use crate::etcd::EtcdError;
use crate::groups::waits::Wait;
use crate::groups::{GroupView, Groups, pod_of};
use crate::output::Output;
use crate::reach::Reach;
use crate::report::Report;
use crate::table::Table;

/// Runs the command.
pub async fn run(args: &GroupArgs) -> Result<Report, EtcdError> {
    let mut groups = Groups::read(&Reach::open(&args.read.access).await?.read().await?);
    groups.select(&args.selection);
    groups.groups.retain(|_, view| has_leadership(view));
    let listed = groups.groups.iter().map(|(path, view)| as_json(path, view));
    let text = match args.read.output.object(|| json!({"groups": listed.collect::<Vec<_>>()})) {
        Some(text) => text,
        None if groups.groups.is_empty() => {
            format!("No member coordinates a leader{}.\n", args.selection.words())
        }
        None => as_table(&groups, args.read.output),
    };
    Ok(Report { text, errors: groups.errors, exit: Exit::Clean })
}

/// The fence of a grant.
pub(crate) fn fence(granted: &Granted) -> Fence {
    Fence { epoch: granted.grant.session.epoch, revision: granted.revision }
}

/// Some member may lead, or somebody does.
fn has_leadership(view: &GroupView) -> bool {
    use cairn_core::coordination::member::Role;
    let mut members = view.picture.members.values();
    view.picture.leader.is_some()
        || members.any(|member| member.record.roles.contains(&Role::Leader))
}

fn as_table(groups: &Groups, output: Output) -> String {
    let mut table =
        Table::new(["NAMESPACE", "GROUP", "LEADER", "NODE", "STATE", "FENCE", "VALUE", "WHY"])
            .only_wide(&["NODE", "FENCE", "VALUE"]);
    for (path, view) in &groups.groups {
        let leader = view.picture.leader.as_ref();
        let wait = Wait::of(view, Ownable::Leader);
        let member = leader.and_then(|granted| view.owner(granted));
        let value = view.picture.leader_value.as_ref();
        table.push([
            path.namespace.clone(),
            path.group.to_string(),
            leader.map(|of| pod_of(view, &of.grant.uid).to_owned()).unwrap_or_default(),
            member.map(|member| member.record.node.clone()).unwrap_or_default(),
            wait.state().to_owned(),
            leader.map(|granted| fence(granted).to_string()).unwrap_or_default(),
            value.map(|value| format!("{}B", value.value.len())).unwrap_or_default(),
            wait.reason().unwrap_or_default(),
        ]);
    }
    table.print(output)
}

fn as_json(path: &GroupPath, view: &GroupView) -> Value {
    let leader = view.picture.leader.as_ref();
    let wait = Wait::of(view, Ownable::Leader);
    let value = view.picture.leader_value.as_ref();
    json!({
        "namespace": path.namespace,
        "group": path.group,
        "state": wait.state(),
        "uid": leader.map(|granted| &granted.grant.uid),
        "pod": leader.map(|granted| pod_of(view, &granted.grant.uid)),
        "fence": leader.map(fence),
        "value_bytes": value.map(|value| value.value.len()),
        "value_revision": value.map(|value| value.revision),
        "why": wait.reason(),
        "waits_at_most_ms": wait.at_most().map(|span| span.as_millis()),
    })
}
