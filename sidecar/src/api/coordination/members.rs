//! `GET /v1/peers[?tag=&state=&endpoint=&watch]`: the members of the group.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use cairn_core::coordination::member::{Member, MemberState};
use cairn_core::coordination::session::Status;

use super::watch::{View, json, stream};
use super::{Denied, status};
use crate::api::Api;
use crate::api::http::is_watch;
use crate::api::query::values;
use crate::coordination::Own;
use crate::coordination::follow::Step;
use crate::coordination::journal::Delta;
use crate::coordination::json::{PeerJson, PeersChangeJson, PeersJson, epoch};

/// Which members are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// All of these tags; an empty value: any.
    pub tags: Vec<(String, String)>,
    /// One of these states; none: any.
    pub states: Vec<MemberState>,
    /// With this endpoint.
    pub endpoint: Option<String>,
}

/// The members that one watcher knows.
#[derive(Debug)]
pub struct Known {
    filter: Filter,
    /// UIDs; `None` after a resumption: then what has gone is always told.
    sent: Option<BTreeSet<String>>,
}

/// What a watcher gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peers {
    /// All.
    Snapshot(PeersJson),
    /// What has changed.
    Change(PeersChangeJson),
    /// Nothing has.
    Same,
}

/// `GET /v1/peers`
pub async fn peers(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Denied> {
    let coordination = api.coordination()?;
    let filter = Filter::parse(query.as_deref())?;
    if !is_watch(query.as_deref()) {
        let status = status(coordination)?;
        let peers = PeersJson::new(&status, coordination.own(), |member| filter.passes(member));
        return Ok(Json(peers).into_response());
    }
    let own = coordination.own().clone();
    let mut known = Known::new(filter);
    stream(&api, &headers, move |step| match known.view(step, &own) {
        Peers::Snapshot(peers) => View::Snapshot(json(&peers)),
        Peers::Change(change) => View::Change(json(&change)),
        Peers::Same => View::Nothing,
    })
}

// === impl Filter ===

impl Filter {
    fn parse(query: Option<&str>) -> Result<Self, Denied> {
        let mut filter = Self::default();
        for tag in values(query, "tag") {
            let (key, value) = tag.split_once('=').unwrap_or((tag.as_str(), ""));
            filter.tags.push((key.to_owned(), value.to_owned()));
        }
        for states in values(query, "state") {
            for text in states.split(',') {
                let state = MemberState::ALL.into_iter().find(|state| state.as_str() == text);
                filter.states.push(state.ok_or_else(|| {
                    let states = "viewer, participant or draining";
                    let why = format!("state '{text}' is not known; write {states}");
                    Denied(StatusCode::BAD_REQUEST, why)
                })?);
            }
        }
        filter.endpoint = values(query, "endpoint").into_iter().next();
        Ok(filter)
    }

    /// Whether the member is asked for.
    pub fn passes(&self, member: &Member) -> bool {
        let record = &member.record;
        let tagged = |(key, value): &(String, String)| {
            record.tags.get(key).is_some_and(|tag| value.is_empty() || tag == value)
        };
        self.tags.iter().all(tagged)
            && (self.states.is_empty() || self.states.contains(&record.state))
            && self.endpoint.as_ref().is_none_or(|name| record.endpoints.contains_key(name))
    }
}

// === impl Known ===

impl Known {
    /// A watcher that has seen nothing.
    pub fn new(filter: Filter) -> Self {
        Self { filter, sent: None }
    }

    /// What this watcher gets in this step.
    pub fn view(&mut self, step: &Step, own: &Own) -> Peers {
        match &step.delta {
            None => self.snapshot(&step.status, own),
            Some(delta) => self.change(&step.status, delta, own),
        }
    }

    fn snapshot(&mut self, status: &Status, own: &Own) -> Peers {
        let peers = PeersJson::new(status, own, |member| self.filter.passes(member));
        self.sent = Some(peers.peers.iter().map(|peer| peer.uid.clone()).collect());
        Peers::Snapshot(peers)
    }

    fn change(&mut self, status: &Status, delta: &Delta, own: &Own) -> Peers {
        let mut change = PeersChangeJson {
            epoch: epoch(status),
            revision: status.picture.revision,
            changed: Vec::new(),
            removed: Vec::new(),
        };
        for uid in &delta.members {
            let member = status.picture.members.get(uid);
            if let Some(member) = member.filter(|member| self.filter.passes(member)) {
                change.changed.push(PeerJson::new(uid, member, own));
                if let Some(sent) = &mut self.sent {
                    sent.insert(uid.clone());
                }
            } else if self.sent.as_mut().is_none_or(|sent| sent.remove(uid)) {
                change.removed.push(uid.clone());
            }
        }
        let same = change.changed.is_empty() && change.removed.is_empty();
        if same { Peers::Same } else { Peers::Change(change) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_tags_states_and_an_endpoint() {
        let filter =
            Filter::parse(Some("tag=tier=hot&tag=zone&state=participant,draining&endpoint=http"));
        let filter = filter.unwrap();
        assert_eq!(filter.tags, [("tier".into(), "hot".into()), ("zone".into(), String::new())]);
        assert_eq!(filter.states, [MemberState::Participant, MemberState::Draining]);
        assert_eq!(filter.endpoint.as_deref(), Some("http"));
        let wrong = Filter::parse(Some("state=busy")).unwrap_err();
        assert!(wrong.1.contains("write viewer, participant or draining"));
    }
}
