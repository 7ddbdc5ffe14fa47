//! Before etcd starts: observes, decides and acts in rounds until the start is decided, then writes the configuration.
//!
//! It waits without a limit; the pod's Events and this container's log give the reason. It does not exit after a
//! failure that a retry could solve, because the kubelet's back-off would add to the delay.

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::clock;
use cairn_kit::errors::report;
use thiserror::Error;
use tokio::time::sleep;
use tracing::{info, warn};

use super::access::access;
use super::args::Settings;
use super::cluster::{Peer, Topology};
use super::config::{self, Beginning, WriteError};
use super::decide::{Step, View, decide, with_member};
use super::identity;
use super::reason::Reason;
use super::record::{HexId, Record};
use super::registry::{Registry, RegistryError, Stored};
use super::tls::TlsError;
use super::volume;
use crate::etcd_ca::Authorities;

/// The pause between two rounds. Short, because people wait for a starting pod.
const PAUSE: Duration = Duration::from_secs(1);
/// An Event reports a wait after this many rounds: members that start together wait a few seconds for each other.
const QUIET_ROUNDS: u32 = 10;

/// Why a member cannot start at all.
#[derive(Debug, Error)]
pub enum StartError {
    /// No randomness for a token.
    #[error("the system has no random numbers")]
    Random,
    /// The configuration cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The certificates cannot be written.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Runs until the configuration is written.
pub async fn run(
    registry: &impl Registry,
    topology: &Topology,
    settings: &Settings,
) -> Result<(), StartError> {
    let mut waiting = Waiting::default();
    let starter = Starter {
        registry,
        topology,
        settings,
        token: identity::token().ok_or(StartError::Random)?,
    };
    loop {
        match Box::pin(starter.round()).await {
            Ok(Some((beginning, authorities))) => {
                info!(beginning = beginning.name(), "etcd starts");
                let Settings { data_dir, config_out, common, tls } = settings;
                tls.begin(&topology.me.name, &authorities, clock::now().wall)?;
                let content = config::content(common, topology, data_dir, tls, &beginning);
                return Ok(config::write(config_out, &content)?);
            }
            Ok(None) => {}
            Err(reason) => {
                waiting.note(registry, reason).await;
                sleep(PAUSE).await;
            }
        }
    }
}

struct Starter<'a, R> {
    registry: &'a R,
    topology: &'a Topology,
    settings: &'a Settings,
    token: String,
}

/// The reason of the wait, and the number of rounds with it.
#[derive(Default)]
struct Waiting {
    reason: Option<Reason>,
    rounds: u32,
}

// === impl Starter ===

impl<R: Registry> Starter<'_, R> {
    /// One round: observes and takes one step. `None` means that the next round can follow at once.
    async fn round(&self) -> Result<Option<(Beginning, Arc<Authorities>)>, Reason> {
        let authorities = self.registry.authorities().await.map_err(|error| unavailable(&error))?;
        let beginning = self.step(&authorities).await?;
        Ok(beginning.map(|beginning| (beginning, authorities)))
    }

    async fn step(&self, authorities: &Authorities) -> Result<Option<Beginning>, Reason> {
        let volume = volume::read(&self.settings.data_dir).map_err(|error| failed(&error))?;
        let stored = self.registry.load().await.map_err(|error| unavailable(&error))?;
        let replicas = self.registry.replicas().await.map_err(|error| unavailable(&error))?;
        let record = stored.as_ref().map(|stored| &stored.record);
        // A member with data asks no peer: members that start together must not wait for each other.
        let peer = if volume.is_some() {
            None
        } else {
            let access = access(authorities, clock::now().wall).map_err(|error| failed(&error))?;
            self.topology.ask(self.topology.others(replicas, record), &access).await
        };
        let step = decide(&View {
            me: &self.topology.me,
            replicas,
            record,
            volume,
            peer: peer.as_ref().map(|peer| &peer.answer),
            fresh_token: &self.token,
        });
        match step {
            Step::Resume => Ok(Some(Beginning::Resume)),
            Step::Form { token, peer_url } => Ok(Some(Beginning::Form { token, peer_url })),
            Step::Wait(reason) => Err(reason),
            Step::Write(changed) => self.save(&changed, stored.as_ref()).await.map(|_| None),
            Step::Remove(id) => {
                let peer = peer.ok_or(Reason::NoCluster)?;
                peer.membership.remove(id).await.map_err(|error| not_changed(&error))?;
                info!(member = %HexId(id), "removed the former member of this name, whose data is lost");
                Ok(None)
            }
            Step::Join => match (peer, stored) {
                (Some(peer), Some(stored)) => self.join(&peer, &stored).await,
                _ => Ok(None),
            },
        }
    }

    /// Records the member's ID before etcd starts with it.
    async fn join(&self, peer: &Peer, stored: &Stored) -> Result<Option<Beginning>, Reason> {
        let me = &self.topology.me;
        let adding = peer.membership.add_learner(&me.peer_url).await;
        let (id, mut members) = adding.map_err(|error| not_changed(&error))?;
        info!(member = %HexId(id), "added to the cluster as a learner");
        let changed = with_member(&stored.record, me, HexId(id));
        let saved = self.save(&changed, Some(stored)).await?;
        self.topology.name_all(&mut members);
        // After a lost compare the next round removes the added member, and adds it again.
        Ok(saved.then_some(Beginning::Join(members)))
    }

    async fn save(&self, record: &Record, over: Option<&Stored>) -> Result<bool, Reason> {
        let version = over.map(|stored| stored.version.as_str());
        let saved = self.registry.save(record, version).await;
        let saved = saved.map_err(|error| unavailable(&error))?;
        if saved {
            info!(cluster = %record.cluster_id, members = record.names(|_| true), "recorded");
        }
        Ok(saved)
    }
}

// === impl Waiting ===

impl Waiting {
    async fn note(&mut self, registry: &impl Registry, reason: Reason) {
        self.rounds = self.rounds.saturating_add(1);
        if self.reason.as_ref() != Some(&reason) {
            warn!("{reason}");
            self.rounds = 1;
        }
        if self.rounds == if reason.needs_help() { 1 } else { QUIET_ROUNDS } {
            registry.publish(&reason).await;
        }
        self.reason = Some(reason);
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Reason {
    Reason::Failed(report(error))
}

fn unavailable(error: &RegistryError) -> Reason {
    failed(error)
}

fn not_changed(error: &cairn_store::Error) -> Reason {
    Reason::Failed(error.report())
}
