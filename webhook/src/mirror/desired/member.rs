//! What a pod is in its group, as a part of its status annotation, and the news about it.
//!
//! The part's key is no pool's name. What was shown before is read from the annotation itself, so that a restarted
//! mirror publishes no news twice.

use cairn_core::contract::annotation;
use cairn_core::coordination::member::MemberState;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Desired, News};
use crate::mirror::members::Standing;
use crate::mirror::pod::{Facts, Life, PodAnnotations};

/// The part of the annotation `cairn.dev/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusMember {
    /// The state.
    pub state: MemberState,
    /// How many shards it owns; absent in pods that coordinate no shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<usize>,
    /// Whether it leads.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leader: bool,
    /// Whether its hand-over is stuck.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
}

// === impl Desired ===

impl Desired {
    /// Adds what the pod is in its group. A pod that has ended is no member any more.
    pub fn add_member(&mut self, pod: &Facts, standing: Option<&Standing>, now: Instant) {
        let Some(standing) = standing.filter(|_| pod.life != Life::Ended) else { return };
        let before = shown(&pod.shown);
        let left = standing
            .drains
            .map(|(since, limit)| limit.saturating_sub(now.saturating_duration_since(since)));
        let stuck = left.is_some_and(|left| left.is_zero());
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            self.again_in = Some(self.again_in.map_or(left, |other| other.min(left)));
        }
        let was = |of: fn(&StatusMember) -> bool| before.as_ref().is_some_and(of);
        if standing.leader && !was(|entry| entry.leader) {
            let group = pod.group.as_ref().map(ToString::to_string).unwrap_or_default();
            self.news.push(News::Leads { group });
        }
        if stuck && !was(|entry| entry.stuck) {
            let shards = standing.shards.unwrap_or_default();
            self.news.push(News::Stuck { shards, leader: standing.leader });
        }
        let Standing { state, shards, leader, .. } = *standing;
        let entry = serde_json::to_value(StatusMember { state, shards, leader, stuck });
        let status = self.results.get(annotation::STATUS);
        let mut status: Map<String, Value> =
            status.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        status.insert(annotation::STATUS_MEMBER.to_owned(), entry.unwrap_or_default());
        self.results.insert(annotation::STATUS.to_owned(), Value::Object(status).to_string());
    }
}

/// What the pod's annotation says.
pub fn shown(shown: &PodAnnotations) -> Option<StatusMember> {
    let text = shown.results.get(annotation::STATUS)?;
    let mut status: Map<String, Value> = serde_json::from_str(text).ok()?;
    serde_json::from_value(status.remove(annotation::STATUS_MEMBER)?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pod(status: Option<&str>) -> Facts {
        let results = status.map(|text| (annotation::STATUS.to_owned(), text.to_owned()));
        Facts {
            name: "p".into(),
            shown: PodAnnotations { asked: Vec::new(), results: results.into_iter().collect() },
            group: Some("checkout".parse().unwrap()),
            prefix: None,
            group_hint: None,
            owner: None,
            life: Life::Runs,
        }
    }

    fn standing(state: MemberState) -> Standing {
        Standing { state, shards: Some(5), leader: false, drains: None }
    }

    fn status(desired: &Desired) -> &str {
        &desired.results[annotation::STATUS]
    }

    #[tokio::test]
    async fn a_members_state_and_shards_stand_beside_its_claims() {
        let held = "{\"mountains\":{\"name\":\"Denali\",\"fence\":\"5-7\",\"state\":\"held\"}}";
        let mut desired = Desired::default();
        desired.results.insert(annotation::STATUS.into(), held.into());
        let leader = Standing { leader: true, ..standing(MemberState::Participant) };
        desired.add_member(&pod(Some(held)), Some(&leader), Instant::now());
        let both = status(&desired);
        assert!(
            both.contains(
                "\"-coordinate\":{\"leader\":true,\"shards\":5,\"state\":\"participant\"}"
            ),
            "{both}"
        );
        let read = super::super::status(&pod(Some(both)).shown);
        assert_eq!(read.len(), 1);
        assert_eq!(read[&"mountains".parse().unwrap()].name.as_deref(), Some("Denali"));
        assert_eq!(desired.news, [News::Leads { group: "checkout".into() }]);
        let mut again = Desired::default();
        again.add_member(&pod(Some(both)), Some(&leader), Instant::now());
        assert_eq!(again.news, []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_does_not_end_is_reported_once() {
        let begun = Instant::now();
        let limit = Duration::from_secs(20);
        let drains = Standing { drains: Some((begun, limit)), ..standing(MemberState::Draining) };
        let mut young = Desired::default();
        young.add_member(&pod(None), Some(&drains), begun + Duration::from_secs(5));
        assert_eq!((young.again_in, &*young.news), (Some(Duration::from_secs(15)), &[][..]));
        let mut old = Desired::default();
        old.add_member(&pod(None), Some(&drains), begun + limit);
        assert_eq!(old.news, [News::Stuck { shards: 5, leader: false }]);
        let mut again = Desired::default();
        again.add_member(&pod(Some(status(&old))), Some(&drains), begun + limit * 2);
        assert_eq!(again.news, []);
        assert_eq!(status(&again), status(&old));
    }

    #[tokio::test]
    async fn a_pod_that_is_no_member_or_has_ended_shows_nothing() {
        let mut desired = Desired::default();
        desired.add_member(&pod(None), None, Instant::now());
        let ended = Facts { life: Life::Ended, ..pod(None) };
        desired.add_member(&ended, Some(&standing(MemberState::Draining)), Instant::now());
        assert_eq!(desired, Desired::default());
    }
}
