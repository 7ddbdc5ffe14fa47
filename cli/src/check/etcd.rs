//! etcd's health: members, versions, alarms and quota. Pure.

use std::collections::BTreeSet;

use cairn_store::etcd::{Alarm, MemberStatus};

use super::count;
use super::finding::Finding;
use crate::reach::Health;

const ABOUT: &str = "etcd";
/// Percent of the quota from which on it should grow.
const NEARLY_FULL: u64 = 80;

/// What is known of an etcd.
#[derive(Clone, Debug)]
pub struct Members {
    /// How many pods the bundled etcd has; `None` for another etcd.
    pub pods: Option<usize>,
    /// What it says.
    pub health: Health,
    /// The size at which it refuses writes, in bytes, where that is known.
    pub quota: Option<u64>,
}

/// Judges them.
pub fn judge(members: &Members) -> Vec<Finding> {
    let mut findings = Vec::new();
    let asked = &members.health.members;
    for (name, asked) in asked {
        match asked {
            Err(error) => findings.push(Finding::problem(
                ABOUT,
                format!(
                    "member {name} does not answer: {error}; look with kubectl describe pod {name}"
                ),
            )),
            Ok(health) => findings.extend(member(name, health)),
        }
    }
    let healthy = || asked.iter().filter_map(|(_, asked)| asked.as_ref().ok());
    if let Some(pods) = members.pods.filter(|pods| *pods > asked.len()) {
        findings.push(Finding::problem(
            ABOUT,
            format!(
                "{} of {pods} members are ready; look at the others with kubectl describe pod, and see \
                 docs/operations.md, An etcd member lost its volume",
                asked.len()
            ),
        ));
    }
    match &members.health.alarms {
        Ok(alarms) => {
            let alarms: BTreeSet<Alarm> = alarms.iter().copied().collect();
            findings.extend(alarms.into_iter().map(alarm));
        }
        Err(error) if healthy().next().is_some() => {
            findings
                .push(Finding::unknown(ABOUT, format!("its alarms could not be read: {error}")));
        }
        // Who does not answer is said already.
        Err(_) => {}
    }
    let size = healthy().map(|health| health.db_size).max().unwrap_or_default();
    let percent =
        members.quota.filter(|quota| *quota > 0).map(|quota| size.saturating_mul(100) / quota);
    if let Some(percent) = percent.filter(|percent| *percent >= NEARLY_FULL) {
        findings.push(Finding::warning(
            ABOUT,
            format!(
                "{percent} % of its quota are used, and it refuses writes at 100 %; give a larger \
                 etcd.quotaBackendBytes, or defragment it with etcdctl defrag"
            ),
        ));
    }
    if findings.is_empty()
        && let Some(first) = healthy().next()
    {
        let members = count::of(asked.len(), "member");
        let used = percent.map(|percent| format!(", {percent} % of its quota")).unwrap_or_default();
        let megabytes = size.div_ceil(1 << 20);
        findings.push(Finding::fine(
            ABOUT,
            format!("{members} of version {}, no alarm, {megabytes} MiB{used}", first.version),
        ));
    }
    if members.pods == Some(1) {
        findings.push(Finding::warning(
            ABOUT,
            "one member: no pod can claim or renew while it restarts; for production use --set etcd.replicas=3",
        ));
    }
    findings
}

fn member(name: &str, health: &MemberStatus) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(needed) = health.too_old_for() {
        findings.push(Finding::problem(
            ABOUT,
            format!(
                "member {name} has version {}, which does not keep namespaces apart; upgrade it to {needed} or newer",
                health.version
            ),
        ));
    }
    if health.leader == 0 {
        findings.push(Finding::problem(
            ABOUT,
            format!("member {name} has no leader, so nothing can be written; bring a majority of members back"),
        ));
    }
    if health.learner {
        findings.push(Finding::warning(
            ABOUT,
            format!("member {name} is a learner; wait until it is in sync, then it gets a vote"),
        ));
    }
    findings
}

fn alarm(alarm: Alarm) -> Finding {
    match alarm {
        Alarm::NoSpace => Finding::problem(
            ABOUT,
            "alarm NOSPACE: its quota is used up and it refuses writes, so no pod gets a name; give a larger \
             etcd.quotaBackendBytes, run etcdctl defrag, then etcdctl alarm disarm",
        ),
        Alarm::Corrupt => Finding::problem(
            ABOUT,
            "alarm CORRUPT: its members have different data; replace the volume of the member that differs, then run \
             etcdctl alarm disarm",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn healthy() -> MemberStatus {
        MemberStatus { version: "3.6.14".into(), db_size: 3 << 20, leader: 7, ..Default::default() }
    }

    fn of(statuses: Vec<Result<MemberStatus, String>>) -> Members {
        let members = statuses.into_iter().enumerate();
        let members: Vec<_> = members.map(|(i, status)| (format!("etcd-{i}"), status)).collect();
        let pods = Some(members.len());
        let health = Health { members, alarms: Ok(Vec::new()) };
        Members { pods, health, quota: Some(100 << 20) }
    }

    fn messages(members: &Members, level: Level) -> Vec<String> {
        let findings = judge(members).into_iter().filter(|finding| finding.level == level);
        findings.map(|finding| finding.message).collect()
    }

    #[test]
    fn three_good_members_are_one_line() {
        let members = of(vec![Ok(healthy()), Ok(healthy()), Ok(healthy())]);
        let findings = judge(&members);
        let fine = "3 members of version 3.6.14, no alarm, 3 MiB, 3 % of its quota";
        assert_eq!(findings, [Finding::fine("etcd", fine)]);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        let full = MemberStatus { db_size: 90 << 20, ..healthy() };
        let old = MemberStatus { version: "3.6.13".into(), leader: 0, ..healthy() };
        let mut members = of(vec![Ok(full), Ok(old), Err("refused".into())]);
        members.health.alarms = Ok(vec![Alarm::NoSpace, Alarm::NoSpace]);
        members.pods = Some(4);
        let problems = messages(&members, Level::Problem);
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems.iter().any(|text| text.starts_with("alarm NOSPACE")), "{problems:?}");
        assert_eq!(messages(&members, Level::Warning).len(), 1);
        assert_eq!(messages(&of(vec![Ok(healthy())]), Level::Warning).len(), 1, "one member");
    }

    #[test]
    fn alarms_that_cannot_be_read_are_not_taken_for_none() {
        let mut members = of(vec![Ok(healthy()), Ok(healthy()), Ok(healthy())]);
        members.health.alarms = Err("denied".into());
        assert_eq!(messages(&members, Level::Unknown), ["its alarms could not be read: denied"]);
        assert!(messages(&members, Level::Fine).is_empty());
    }
}
