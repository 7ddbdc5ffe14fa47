//! While etcd runs: promotes a learner once it is in sync, completes the record of an adopted cluster, corrects the
//! configuration of a member that has not started yet if the membership has changed, and the member's own URL in the
//! membership if that has changed. Beside it, the member's certificate is renewed.
//!
//! It runs beside etcd and not in the webhook, because it needs only etcd. Not for: health. etcd's own `/readyz` fails
//! while the member is a learner.

use std::time::Duration;

use cairn_kit::clock;
use cairn_kit::errors::report;
use cairn_kit::exit::Exit;
use cairn_kit::shutdown;
use thiserror::Error;
use tokio::time::sleep;
use tracing::{info, warn};

use super::access::access;
use super::args::Settings;
use super::cluster::{Peer, Topology};
use super::config::{self, Beginning};
use super::decide::recorded;
use super::record::{HexId, Record};
use super::registry::{Registry, RegistryError};
use super::tls::{Renewal, TlsError};
use super::volume;
use crate::etcd_ca::IssueError;

/// The pause between two checks of a learner.
const SOON: Duration = Duration::from_secs(1);
/// The pause between two checks of a full member, which only matter if it is replaced.
const LATER: Duration = Duration::from_secs(30);

/// Why a check was cut short.
#[derive(Debug, Error)]
enum CheckError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("could not make the certificate that reaches etcd")]
    Access(#[from] IssueError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Says each problem once, until another one follows.
#[derive(Default)]
struct Said(String);

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
    tokio::join!(
        membership(registry, topology, settings),
        certificate(registry, topology, settings)
    );
}

async fn membership(registry: &impl Registry, topology: &Topology, settings: &Settings) {
    let mut said = Said::default();
    loop {
        let pause = match Box::pin(check(registry, topology, settings)).await {
            Ok(true) => LATER,
            Ok(false) => SOON,
            Err(error) => {
                said.warn(&error);
                SOON
            }
        };
        sleep(pause).await;
    }
}

/// Renews the certificate, and keeps the authorities: they must be renewed also while no webhook runs.
async fn certificate(registry: &impl Registry, topology: &Topology, settings: &Settings) {
    let (mut said, tls) = (Said::default(), &settings.tls);
    loop {
        let renewing = async {
            let authorities = registry.authorities().await?;
            let renewed = tls.renew(&topology.me.name, &authorities, clock::now().wall)?;
            Ok::<_, CheckError>(renewed)
        };
        match renewing.await {
            Ok(Renewal::Written(until)) => info!(%until, "renewed the certificate of this member"),
            Ok(Renewal::Fresh) => {}
            Err(error) => said.warn(&error),
        }
        sleep(tls.lives.pause()).await;
    }
}

/// One check. True if nothing is left to do.
async fn check(
    registry: &impl Registry,
    topology: &Topology,
    settings: &Settings,
) -> Result<bool, CheckError> {
    let me = &topology.me;
    // All ordinals that a member may have: a learner must ask another member, whose ordinal is lower or recorded.
    let stored = registry.load().await?;
    let record = stored.as_ref().map(|stored| &stored.record);
    let others = topology.others(me.ordinal + 1, record);
    let access = access(&*registry.authorities().await?, clock::now().wall)?;
    let Some(peer) = topology.ask(others.into_iter().chain([me.ordinal]), &access).await else {
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
    if mine.peer_urls != [me.peer_url.as_str()] {
        return Ok(move_to(&peer, mine.id, &me.peer_url).await);
    }
    match &stored {
        Some(stored) if !stored.record.complete => {
            let members = recorded(&peer.answer.list);
            let record = Record { members, complete: true, ..stored.record.clone() };
            Ok(registry.save(&record, Some(&stored.version)).await?)
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
    let Settings { data_dir, config_out, common, tls } = settings;
    let content = config::content(common, topology, data_dir, tls, &beginning);
    if let Err(error) = config::write(config_out, &content) {
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

/// Tells the members under which URL this one is reached now: its volume comes from a release without TLS, or from one
/// with another domain. The record keeps the URL with which the cluster was formed, because its ID depends on it.
async fn move_to(peer: &Peer, id: u64, url: &str) -> bool {
    match peer.membership.update(id, url).await {
        Ok(()) => {
            info!(member = %HexId(id), url, "is reached under another URL");
            true
        }
        Err(error) => {
            warn!("{}", error.report());
            false
        }
    }
}

// === impl Said ===

impl Said {
    fn warn(&mut self, error: &CheckError) {
        let line = report(error);
        if line != self.0 {
            warn!("{line}");
            self.0 = line;
        }
    }
}
