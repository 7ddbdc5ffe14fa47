//! etcd's health as a value of the view, with the latency of the last two minutes. Pure: answers and times come in.

use std::collections::{BTreeMap, VecDeque};

use cairn_core::time::UnixMillis;
use cairn_store::Error;
use cairn_store::etcd::{ClusterHealth, EndpointHealth, MemberAlarm, MemberEntry};
use serde_json::{Value, json};

/// How many answers are kept of each endpoint: two minutes, at one every two seconds.
const ANSWERS: usize = 60;

/// The newest answers.
#[derive(Debug, Default)]
pub struct HealthHistory {
    value: Value,
    /// Microseconds, the newest last; `None` for a request that failed.
    latency: BTreeMap<String, VecDeque<Option<u64>>>,
}

// === impl HealthHistory ===

impl HealthHistory {
    /// Takes an answer in.
    pub fn add(&mut self, health: &ClusterHealth, now: UnixMillis) {
        self.latency.retain(|url, _| health.endpoints.iter().any(|endpoint| endpoint.url == *url));
        for endpoint in &health.endpoints {
            let took = u64::try_from(endpoint.took.as_micros()).unwrap_or(u64::MAX);
            let answers = self.latency.entry(endpoint.url.clone()).or_default();
            answers.push_back(endpoint.status.is_ok().then_some(took));
            if answers.len() > ANSWERS {
                answers.pop_front();
            }
        }
        let members = health.members.as_deref().unwrap_or_default();
        self.value = json!({
            "at": now,
            "endpoints": health.endpoints.iter().map(|of| self.endpoint(of, members)).collect::<Vec<_>>(),
            "unasked": unasked(health, members),
            "alarms": alarms(health, members),
            "unknown": unknown(health),
        });
    }

    /// The newest answer; null before the first one.
    pub fn value(&self) -> Value {
        self.value.clone()
    }

    fn endpoint(&self, endpoint: &EndpointHealth, members: &[MemberEntry]) -> Value {
        let latency = self.latency.get(&endpoint.url);
        match &endpoint.status {
            Err(error) => {
                json!({"url": endpoint.url, "error": error.report(), "latency_us": latency})
            }
            Ok(status) => json!({
                "url": endpoint.url,
                "name": name(status.id, members),
                "version": status.version,
                "leads": status.leader == status.id,
                "has_leader": status.leader != 0,
                "learner": status.learner,
                "db_size": status.db_size,
                "db_in_use": status.db_in_use,
                "quota": status.quota,
                "revision": status.revision,
                "errors": status.errors,
                "latency_us": latency,
            }),
        }
    }
}

/// Members at none of the given endpoints.
fn unasked(health: &ClusterHealth, members: &[MemberEntry]) -> Vec<String> {
    let asked =
        |id| health.endpoints.iter().filter_map(|of| of.status.as_ref().ok()).any(|of| of.id == id);
    // A member that does not answer at its endpoint is shown there.
    let silent = health.endpoints.iter().filter(|of| of.status.is_err()).count();
    let others: Vec<_> = members.iter().filter(|member| !asked(member.id)).collect();
    others.iter().skip(silent).map(|member| name(member.id, members)).collect()
}

fn alarms(health: &ClusterHealth, members: &[MemberEntry]) -> Vec<Value> {
    let alarms = health.alarms.as_deref().unwrap_or_default();
    let value =
        |of: &MemberAlarm| json!({"member": name(of.member, members), "kind": of.alarm.as_str()});
    alarms.iter().map(value).collect()
}

/// What could not be read, for a reason other than that no member answers.
fn unknown(health: &ClusterHealth) -> Vec<String> {
    if !health.is_reachable() {
        return Vec::new();
    }
    let errors = [health.members.as_ref().err(), health.alarms.as_ref().err()];
    errors.into_iter().flatten().map(Error::report).collect()
}

fn name(id: u64, members: &[MemberEntry]) -> String {
    let known = members.iter().find(|member| member.id == id && !member.name.is_empty());
    known.map_or_else(|| format!("{id:x}"), |member| member.name.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cairn_store::etcd::{Alarm, MemberStatus};

    use super::*;

    fn member(id: u64, name: &str) -> MemberEntry {
        MemberEntry { id, name: name.to_owned(), peer_urls: Vec::new(), learner: false }
    }

    fn health() -> ClusterHealth {
        let status = MemberStatus { id: 1, leader: 1, quota: Some(100), ..MemberStatus::default() };
        let took = Duration::from_micros(900);
        let first = EndpointHealth { url: "http://a".to_owned(), status: Ok(status), took };
        let second =
            EndpointHealth { url: "http://b".to_owned(), status: Err(Error::NoEndpoint), took };
        ClusterHealth {
            endpoints: vec![first, second],
            members: Ok(vec![member(1, "etcd-0"), member(2, "etcd-1"), member(3, "etcd-2")]),
            alarms: Ok(vec![MemberAlarm { member: 2, alarm: Alarm::NoSpace }]),
        }
    }

    #[test]
    fn members_alarms_and_silence_are_shown_with_the_names_of_members() {
        let mut history = HealthHistory::default();
        history.add(&health(), UnixMillis(5));
        let value = history.value();
        assert_eq!(value["endpoints"][0]["name"], "etcd-0");
        assert_eq!(value["endpoints"][0]["leads"], true);
        assert_eq!(value["endpoints"][1]["latency_us"], json!([null]));
        assert!(value["endpoints"][1]["error"].as_str().unwrap().contains("no etcd endpoint"));
        assert_eq!(value["alarms"], json!([{"member": "etcd-1", "kind": "NOSPACE"}]));
        assert_eq!(value["unasked"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_history_of_latency_is_bounded() {
        let mut history = HealthHistory::default();
        for at in 0..200 {
            history.add(&health(), UnixMillis(at));
        }
        assert_eq!(
            history.value()["endpoints"][0]["latency_us"].as_array().unwrap().len(),
            ANSWERS
        );
    }
}
