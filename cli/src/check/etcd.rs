//! etcd's health: members, versions, alarms and quota. Pure.

use cairn_store::etcd::{Alarm, MemberHealth};

use super::finding::Finding;

const ABOUT: &str = "etcd";
/// Percent of the quota from which on it should grow.
const NEARLY_FULL: u64 = 80;

/// What is known of an etcd.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// How many pods the bundled etcd has; `None` for another etcd.
    pub pods: Option<usize>,
    /// Each member that was asked: where it is, and how it is or why it does not answer.
    pub asked: Vec<(String, Result<MemberHealth, String>)>,
    /// The size at which it refuses writes, in bytes, where that is known.
    pub quota: Option<u64>,
}

/// Judges them.
pub fn judge(members: &Members) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, asked) in &members.asked {
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
    let healthy = || members.asked.iter().filter_map(|(_, asked)| asked.as_ref().ok());
    if let Some(pods) = members.pods.filter(|pods| *pods > members.asked.len()) {
        findings.push(Finding::problem(
            ABOUT,
            format!(
                "{} of {pods} members are ready; look at the others with kubectl describe pod, and see \
                 docs/operations.md, An etcd member lost its volume",
                members.asked.len()
            ),
        ));
    }
    let mut alarms: Vec<Alarm> = healthy().flat_map(|health| health.alarms.clone()).collect();
    alarms.sort();
    alarms.dedup();
    findings.extend(alarms.into_iter().map(alarm));
    let size = healthy().map(|health| health.size).max().unwrap_or_default();
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
        let count = members.asked.len();
        let members = if count == 1 { "member" } else { "members" };
        let used = percent.map(|percent| format!(", {percent} % of its quota")).unwrap_or_default();
        let megabytes = size.div_ceil(1 << 20);
        findings.push(Finding::fine(
            ABOUT,
            format!(
                "{count} {members} of version {}, no alarm, {megabytes} MiB{used}",
                first.version
            ),
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

fn member(name: &str, health: &MemberHealth) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(needed) = &health.too_old_for {
        findings.push(Finding::problem(
            ABOUT,
            format!(
                "member {name} has version {}, which does not keep namespaces apart; upgrade it to {needed} or newer",
                health.version
            ),
        ));
    }
    if !health.has_leader {
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

    fn healthy() -> MemberHealth {
        MemberHealth {
            version: "3.6.14".into(),
            too_old_for: None,
            size: 3 << 20,
            has_leader: true,
            learner: false,
            alarms: Vec::new(),
        }
    }

    fn of(healths: Vec<Result<MemberHealth, String>>) -> Members {
        let asked = healths.into_iter().enumerate();
        let asked: Vec<_> = asked.map(|(i, health)| (format!("etcd-{i}"), health)).collect();
        Members { pods: Some(asked.len()), asked, quota: Some(100 << 20) }
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
        let full = MemberHealth { alarms: vec![Alarm::NoSpace], size: 90 << 20, ..healthy() };
        let old =
            MemberHealth { too_old_for: Some("3.6.14".into()), has_leader: false, ..healthy() };
        let mut members = of(vec![Ok(full), Ok(old), Err("refused".into())]);
        members.pods = Some(4);
        let problems = messages(&members, Level::Problem);
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems.iter().any(|text| text.starts_with("alarm NOSPACE")), "{problems:?}");
        assert_eq!(messages(&members, Level::Warning).len(), 1);
        assert_eq!(messages(&of(vec![Ok(healthy())]), Level::Warning).len(), 1, "one member");
    }
}
