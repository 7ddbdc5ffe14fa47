//! While etcd runs: promotes a learner once it is in sync, completes the record of an adopted cluster, and corrects the
//! configuration of a member that has not started yet if the membership has changed.
//!
//! It runs beside etcd and not in the webhook, because it needs only etcd. Not for: health. etcd's own `/readyz` fails
//! while the member is a learner.

use std::time::Duration;

use cairn_kit::errors::report;
use cairn_kit::exit::Exit;
use cairn_kit::shutdown;
use tokio::time::sleep;
use tracing::{info, warn};

use super::args::Settings;
use super::cluster::{Peer, Topology};
use super::config::{self, Beginning};
use super::decide::recorded;
use super::record::{HexId, Record};
use super::registry::{Registry, RegistryError};
use super::volume;

/// The pause between two checks of a learner.
const SOON: Duration = Duration::from_secs(1);
/// The pause between two checks of a full member, which only matter if it is replaced.
const LATER: Duration = Duration::from_secs(30);

/// Runs until it is asked to stop.
pub async fn run(registry: &impl Registry, topology: &Topology, settings: &Settings) -> Exit {
    let Ok(shutdown) = shutdown::on_signals() else {
        tracing::error!("cannot listen for signals");
        return Exit::Failed;
    };
    shutdown.cut_short(watch(registry, topology, settings)).await;
    Exit::Clean
}

/// Checks for ever.
pub async fn watch(registry: &impl Registry, topology: &Topology, settings: &Settings) {
    let mut said = String::new();
    loop {
        let pause = match Box::pin(check(registry, topology, settings)).await {
            Ok(true) => LATER,
            Ok(false) => SOON,
            Err(error) => {
                let line = report(&error);
                if line != said {
                    warn!("{line}");
                    said = line;
                }
                SOON
            }
        };
        sleep(pause).await;
    }
}

/// One check. True if nothing is left to do.
async fn check(
    registry: &impl Registry,
    topology: &Topology,
    settings: &Settings,
) -> Result<bool, RegistryError> {
    let me = &topology.me;
    // All ordinals that a member may have: a learner must ask another member, whose ordinal is lower or recorded.
    let stored = registry.load().await?;
    let record = stored.as_ref().map(|stored| &stored.record);
    let others = topology.others(me.ordinal + 1, record);
    let Some(peer) = topology.ask(others.into_iter().chain([me.ordinal])).await else {
        return Ok(false);
    };
    let members = &peer.answer.list.members;
    let Some(mine) = members.iter().find(|member| member.name == me.name) else {
        return Ok(false);
    };
    if mine.learner {
        correct(&peer, topology, settings);
        promote(&peer, mine.id).await;
        return Ok(false);
    }
    match &stored {
        Some(stored) if !stored.record.complete => {
            let members = recorded(&peer.answer.list);
            let record = Record { members, complete: true, ..stored.record.clone() };
            registry.save(&record, Some(&stored.version)).await
        }
        _ => Ok(true),
    }
}

/// Writes the present members into the configuration: with an outdated list etcd never joins.
fn correct(peer: &Peer, topology: &Topology, settings: &Settings) {
    if !matches!(volume::read(&settings.data_dir), Ok(None)) {
        return;
    }
    let beginning = Beginning::Join(peer.answer.list.members.clone());
    let content = config::content(&settings.common, topology, &settings.data_dir, &beginning);
    if let Err(error) = config::write(&settings.config_out, &content) {
        warn!("{}", report(&error));
    }
}

async fn promote(peer: &Peer, id: u64) {
    match peer.membership.promote(id).await {
        Ok(()) => info!(member = %HexId(id), "is a full member"),
        // etcd says so until the learner is in sync.
        Err(error) => tracing::debug!("not promoted yet: {}", error.report()),
    }
}
