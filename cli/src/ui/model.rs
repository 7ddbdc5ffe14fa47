//! Everything that the page shows, in one place: what was read of etcd, changes that followed, and etcd's health.
//!
//! Pure: events and the time come in, a [`View`] comes out. While etcd is away, the state that was read last is shown
//! with its age.

use std::collections::{BTreeMap, BTreeSet};

use cairn_core::keys;
use cairn_core::time::UnixMillis;
use cairn_store::KeyValue;
use cairn_store::etcd::{Change, ClusterHealth};
use serde_json::{Value, json};

use super::claims_view::{self, Known};
use super::groups_view;
use super::health_view::HealthHistory;
use super::timeline::Timeline;
use super::view::View;
use crate::groups::Groups;
use crate::snapshot::Snapshot;

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// All keys were read at one revision.
    Listed(i64, Vec<KeyValue>),
    /// Some keys have changed since.
    Changed(Vec<Change>),
    /// Changes may be missed from now on, and the reason.
    Away(String),
    /// The members were asked for their health.
    Health(ClusterHealth),
    /// When a lease ends unless it is renewed; `None` for one that has ended.
    LeaseEnds(i64, Option<UnixMillis>),
}

/// The state.
#[derive(Debug)]
pub struct Model {
    started: UnixMillis,
    link: Link,
    revision: i64,
    keys: BTreeMap<String, KeyValue>,
    /// When leases end that nobody renews.
    ends: BTreeMap<i64, Option<UnixMillis>>,
    timeline: Timeline,
    health: HealthHistory,
}

/// Whether the state is etcd's own.
#[derive(Clone, Debug, Default)]
struct Link {
    /// Changes are followed, or were until the answers stopped.
    following: bool,
    /// When etcd answered last while changes were followed; `None` before everything was read once.
    heard: Option<UnixMillis>,
    /// Since when changes may be missed, and why.
    lost: Option<(UnixMillis, String)>,
}

// === impl Model ===

impl Model {
    /// Nothing is known yet.
    pub fn new(now: UnixMillis) -> Self {
        Self {
            started: now,
            link: Link::default(),
            revision: 0,
            keys: BTreeMap::new(),
            ends: BTreeMap::new(),
            timeline: Timeline::default(),
            health: HealthHistory::default(),
        }
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: Event, now: UnixMillis) {
        match event {
            Event::Listed(revision, keys) => {
                self.revision = revision;
                self.keys = keys.into_iter().map(|key| (key.key.clone(), key)).collect();
                self.link = Link { following: true, heard: Some(now), lost: None };
            }
            Event::Changed(changes) => self.change(changes, now),
            Event::Away(reason) => {
                self.link.following = false;
                self.link.lose(reason, now);
            }
            Event::Health(health) => {
                let mut errors = health.endpoints.iter().filter_map(|of| of.status.as_ref().err());
                match errors.next() {
                    Some(error) if !health.is_reachable() => self.link.lose(error.report(), now),
                    _ => self.link.hear(now),
                }
                self.health.add(&health, now);
            }
            Event::LeaseEnds(lease, ends) => drop(self.ends.insert(lease, ends)),
        }
    }

    /// The view at this time, and the leases whose end it would show if it were known.
    pub fn view(&mut self, now: UnixMillis) -> (View, Vec<i64>) {
        let found: Vec<KeyValue> = self.keys.values().cloned().collect();
        let (snapshot, groups) = (Snapshot::read(&found), Groups::read(&found));
        self.timeline.observe(&groups, now);
        let wanted: BTreeSet<i64> = claims_view::quarantine_leases(&snapshot).collect();
        self.ends.retain(|lease, _| wanted.contains(lease));
        let mut view = View::default();
        view.set("about".to_owned(), &self.about(&snapshot));
        view.set("link".to_owned(), &self.link.value());
        view.set("errors".to_owned(), &json!([&snapshot.errors[..], &groups.errors[..]].concat()));
        view.set("etcd".to_owned(), &self.health.value());
        claims_view::add(&mut view, &snapshot, Known { keys: &self.keys, ends: &self.ends });
        groups_view::add(&mut view, &groups, &self.timeline);
        let unknown = wanted.into_iter().filter(|lease| !self.ends.contains_key(lease));
        (view, unknown.collect())
    }

    fn change(&mut self, changes: Vec<Change>, now: UnixMillis) {
        for change in changes {
            match change {
                Change::Put(key) => {
                    self.revision = self.revision.max(key.mod_revision);
                    self.keys.insert(key.key.clone(), key);
                }
                Change::Delete(key) => drop(self.keys.remove(&key)),
            }
        }
        self.link.hear(now);
    }

    fn about(&self, snapshot: &Snapshot) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started": self.started,
            "epoch": snapshot.epoch,
            "revision": self.revision,
            "root": keys::ROOT,
        })
    }
}

// === impl Link ===

impl Link {
    /// etcd answers. After a silence the changes that are followed go on where they stopped.
    fn hear(&mut self, now: UnixMillis) {
        if self.following {
            self.heard = Some(now);
            self.lost = None;
        }
    }

    fn lose(&mut self, reason: String, now: UnixMillis) {
        let since = self.lost.as_ref().map_or(now, |(since, _)| *since);
        self.lost = Some((since, reason));
    }

    fn value(&self) -> Value {
        let (since, reason) = self.lost.clone().unzip();
        let state = match (self.heard, &self.lost) {
            (None, _) => "connecting",
            (Some(_), Some(_)) => "away",
            (Some(_), None) => "live",
        };
        json!({"state": state, "heard": self.heard, "since": since, "reason": reason})
    }
}

#[cfg(test)]
pub(super) mod tests;
