//! A pod's membership of its group, as arguments and as the preStop hook of the sidecar.
//!
//! When a pod is deleted, the kubelet runs the preStop hook of a native sidecar at once, together with those of the app
//! containers; SIGTERM reaches the sidecar only when all apps have ended and its hook has returned
//! (docs/coordination.md, "Pods that are deleted"). So the hook hands everything over while the app still runs.

use std::time::Duration;

use cairn_core::contract::{annotation, command, flag, path, pod};
use cairn_core::coordination::map::KeyHash;
use cairn_core::coordination::terms::Terms;
use cairn_core::coordination::text;
use cairn_core::duration;
use cairn_core::pool::OnLoss;
use cairn_core::request::coordination::Coordination;
use cairn_core::time::UnixMillis;

use super::api_types::{Exec, Hook, Lifecycle};
use crate::view::{Container, Metadata};

/// Labels that say of which generation of its workload a pod is: of `Deployment`s, of Argo Rollouts, and of
/// `StatefulSet`s and `DaemonSet`s.
const GENERATION_LABELS: [&str; 3] =
    ["pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash"];

/// What the app and the sidecar have left of the grace period after the drain.
const AFTER_DRAIN: Duration = Duration::from_secs(5);

/// The membership of one pod.
#[derive(Debug)]
pub struct Membership<'a> {
    /// What the pod asks for.
    pub wanted: &'a Coordination,
    /// The generation of its workload; empty when it has none.
    generation: String,
    /// When it was admitted, in RFC 3339.
    admitted: String,
}

// === impl Membership ===

impl<'a> Membership<'a> {
    /// The membership of a pod that is admitted now. `before` is the sidecar of an injected pod, which keeps its time.
    pub(super) fn new(
        wanted: &'a Coordination,
        metadata: &Metadata<'_>,
        before: Option<&Container<'_>>,
        now: UnixMillis,
    ) -> Self {
        let generation = GENERATION_LABELS.iter().find_map(|label| metadata.labels.get(*label));
        let recorded = before.and_then(|sidecar| sidecar.values_of(flag::ADMITTED).next());
        let recorded = recorded.filter(|text| UnixMillis::parse(text).is_some());
        Self {
            wanted,
            generation: generation.map(ToString::to_string).unwrap_or_default(),
            admitted: recorded.map_or_else(|| now.to_string(), str::to_owned),
        }
    }

    /// The arguments of the sidecar. What has its default is left out. Kubernetes replaces `$(NAME)` in them, so `$` is
    /// doubled.
    pub(super) fn to_args(&self) -> Vec<String> {
        let Coordination { terms, on_loss, endpoints } = self.wanted;
        let default = Terms::default();
        let roles: Vec<&str> = terms.roles.iter().map(|role| role.as_str()).collect();
        let mut args = Vec::new();
        let mut push = |flag: &str, value: &str| {
            args.push(format!("{flag}={}", value.replace('$', "$$")));
        };
        push(flag::COORDINATE, &roles.join(","));
        if let Some(map) = &terms.map {
            push(flag::SHARDS, &map.shards.to_string());
            if map.hash != KeyHash::default() {
                push(flag::SHARD_HASH, map.hash.as_str());
            }
        }
        if terms.validity != default.validity {
            push(flag::VALIDITY, &duration::print(terms.validity.span()));
        }
        if let Some(heartbeat) = terms.heartbeat {
            push(flag::HEARTBEAT, &duration::print(heartbeat));
        }
        if terms.confirm_required {
            push(flag::CONFIRM, text::CONFIRM.second());
        }
        if *on_loss == OnLoss::Stop {
            push(flag::ON_LOSS, text::ON_LOSS.second());
        }
        if !endpoints.is_empty() {
            push(flag::ENDPOINTS, &pairs(endpoints));
        }
        if !terms.tags.is_empty() {
            push(flag::TAGS, &pairs(&terms.tags));
        }
        if terms.weight != default.weight {
            push(flag::WEIGHT, &terms.weight.to_string());
        }
        if terms.participate {
            push(flag::PARTICIPATE, text::PARTICIPATE.second());
        }
        if terms.min_participants != default.min_participants {
            push(flag::MIN_PARTICIPANTS, &terms.min_participants.to_string());
        }
        if !self.generation.is_empty() {
            push(flag::GENERATION, &self.generation);
        }
        push(flag::ADMITTED, &self.admitted);
        args
    }

    /// `lifecycle` of the sidecar: its preStop blocks until the member owns nothing.
    pub(super) fn lifecycle() -> Lifecycle {
        let command = [pod::BINARY, command::DRAIN, flag::DIR, path::DIR];
        Lifecycle { pre_stop: Hook { exec: Exec { command } } }
    }

    /// How long a pod's grace period must be, so that everything is handed over and the app still has time to end.
    /// Nothing is handed over before the takeover delay after the sidecar's start, and a shard that the app does not
    /// confirm when its deadline and the margin have passed, which is less.
    fn shortest_grace(&self) -> Duration {
        let longest = self.wanted.terms.validity.takeover_delay() + AFTER_DRAIN;
        Duration::from_secs(longest.as_secs() + 1)
    }

    /// Whether a drain fits into this grace period. Otherwise the warning.
    pub(super) fn check_grace(&self, grace: u64) -> Result<(), String> {
        let least = self.shortest_grace().as_secs();
        if grace >= least || !self.wanted.owns() {
            return Ok(());
        }
        Err(format!(
            "Cairn: the pod's terminationGracePeriodSeconds of {grace} may end before its shards are handed over; set \
             it to {least} or more, or set a shorter {}",
            annotation::VALIDITY
        ))
    }
}

/// `a=1,b=2`
fn pairs<T: std::fmt::Display>(map: &std::collections::BTreeMap<String, T>) -> String {
    let pairs: Vec<String> = map.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(",")
}
