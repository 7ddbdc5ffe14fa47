//! `cairn drain` and `cairn step-down`: ask the sidecar of the owner to hand over.
//!
//! etcd only tells which pod it is. Nothing is written into etcd: a shard is changed only by its owner, after its app
//! has stopped. The sidecar says its own UID first, so that a wrong address drains nobody else.

use cairn_core::coordination::member::MemberState;
use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::path::GroupPath;
use serde_json::json;

use crate::args::group::{DrainArgs, SidecarArgs, StepDownArgs};
use crate::etcd::EtcdError;
use crate::groups::{Groups, pod_of, title};
use crate::reach::Reach;
use crate::report::Report;
use crate::sidecar::{Sidecar, SidecarError};

/// The own record on the sidecar's API.
const SELF: &str = "/v1/self";
const STATE: &str = "/v1/self/state";
const RESIGN: &str = "/v1/leader/resign";

/// Runs `drain`.
pub async fn drain(args: &DrainArgs) -> Result<Report, EtcdError> {
    let mut groups = Groups::read(&Reach::open(&args.member.access).await?.read().await?);
    groups.select(&args.member.selection);
    let (path, uid, member) = match groups.member(&args.member.pod) {
        Ok(found) => found,
        Err(message) => return Ok(Report::refused(message)),
    };
    let pod = &member.record.pod;
    let owned = groups.groups.get(path).map_or(0, |view| view.owned(uid));
    match member.record.state {
        MemberState::Viewer => {
            return Ok(Report::refused(format!("pod '{pod}' is a viewer, and owns nothing")));
        }
        MemberState::Draining => {
            let text = format!("Pod '{pod}' drains already; it still owns {owned} shards.\n");
            return Ok(Report { text, ..Report::default() });
        }
        MemberState::Participant => {}
    }
    let asked = ask(&args.sidecar, path, pod, uid, async |sidecar| {
        sidecar.send("PUT", STATE, Some(&json!({"state": MemberState::Draining}))).await
    });
    Ok(match asked.await {
        Ok(()) => {
            let text = format!(
                "Pod '{pod}' drains: it hands over {owned} shards, each once its app has stopped, and \
                 takes none; see cairn shards.\n"
            );
            Report { text, ..Report::default() }
        }
        Err(error) => Report::refused(error.to_string()),
    })
}

/// Runs `step-down`.
pub async fn step_down(args: &StepDownArgs) -> Result<Report, EtcdError> {
    let mut groups = Groups::read(&Reach::open(&args.access).await?.read().await?);
    groups.select(&args.selection);
    groups.groups.retain(|_, view| view.picture.leader.is_some());
    if groups.groups.is_empty() {
        return Ok(Report::refused(format!(
            "there is no leader{}; see cairn leader",
            args.selection.words()
        )));
    }
    let (path, view) = match groups.only() {
        Ok(only) => only,
        Err(message) => return Ok(Report::refused(message)),
    };
    let leader = view.picture.owner(Ownable::Leader);
    let Some((granted, _)) = leader.and_then(|granted| Some((granted, view.owner(granted)?)))
    else {
        return Ok(Report::refused(
            "the leader's session has ended, and another one is about to lead; see cairn leader",
        ));
    };
    let uid = granted.grant.uid.as_str();
    let pod = pod_of(view, uid);
    let mut others = view.picture.members.iter().filter(|(other, _)| *other != uid);
    if !others.any(|(_, member)| member.record.may_lead() && !member.record.resigned) {
        return Ok(Report::refused(format!(
            "no other participant of {} may lead that has not stepped down before, so '{pod}' would lead on",
            title(path)
        )));
    }
    let asked = ask(&args.sidecar, path, pod, uid, async |sidecar| {
        sidecar.send("POST", RESIGN, None).await
    });
    Ok(match asked.await {
        Ok(()) => {
            let text = format!(
                "Pod '{pod}' gives the leadership of {} away once its app has stopped; see cairn leader.\n",
                title(path)
            );
            Report { text, ..Report::default() }
        }
        Err(error) => Report::refused(error.to_string()),
    })
}

/// Reaches the sidecar, makes sure that it is the pod's, and asks it.
async fn ask(
    args: &SidecarArgs,
    path: &GroupPath,
    pod: &str,
    uid: &str,
    request: impl AsyncFnOnce(&Sidecar) -> Result<serde_json::Value, SidecarError>,
) -> Result<(), SidecarError> {
    let address = args.sidecar.as_deref().filter(|text| !text.is_empty());
    let sidecar = match address {
        Some(address) => Sidecar::at(address),
        None => Sidecar::forwarded(&args.kubectl, &path.namespace, pod).await?,
    };
    let found = sidecar.send("GET", SELF, None).await?;
    if found.get("uid").and_then(serde_json::Value::as_str) != Some(uid) {
        let other = found.get("pod").and_then(serde_json::Value::as_str).unwrap_or("another pod");
        return Err(SidecarError::OtherPod { wanted: pod.to_owned(), other: other.to_owned() });
    }
    request(&sidecar).await.map(drop)
}
