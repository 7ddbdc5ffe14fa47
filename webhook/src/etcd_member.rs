//! How a member of the bundled etcd starts: `cairn-webhook etcd-member start`, an init container of etcd's pod, decides
//! and writes etcd's configuration and certificates; `cairn-webhook etcd-member watch`, a container beside etcd,
//! promotes a new member and renews its certificate.
//!
//! Invariant: there is one etcd cluster. Its record is a `ConfigMap` that Helm does not know of. The record is changed
//! by compare-and-swap only, and before the change that it describes. A new cluster is formed only if there is no
//! record, or if every recorded member has lost its data. Nothing is ever deleted from a volume.
//!
//! `args → start, watch → {cluster, registry, volume, tls} → decide (pure) → {record, reason}`.
//! Not for: an etcd that is not the chart's own.

use std::ffi::OsString;

use cairn_kit::errors::report;
use cairn_kit::exit::{Exit, complain};
use cairn_kit::log::{self, LogArgs};
use cairn_kit::usage;
use tokio::runtime::Builder;
use tracing::error;

pub mod access;
pub mod args;
pub mod cluster;
pub mod config;
pub mod decide;
pub mod identity;
pub mod reason;
pub mod record;
pub mod registry;
pub mod start;
pub mod tls;
pub mod volume;
pub mod watch;

use args::{Args, Command};
use registry::kubernetes::ConfigMapRegistry;

/// The first argument of this command.
pub const COMMAND: &str = "etcd-member";

/// The name in messages.
const PROGRAM: &str = "cairn-webhook etcd-member";

/// Runs the command line that follows [`COMMAND`].
pub fn run(argv: &[OsString]) -> Exit {
    let parsed: Args = match usage::parse(argv, PROGRAM) {
        Ok(parsed) => parsed,
        Err(exit) => return exit,
    };
    log::init(&LogArgs::default());
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        error!("another crypto provider is installed already");
        return Exit::Failed;
    }
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(perform(parsed)),
        Err(error) => {
            error!(%error, "cannot start the runtime");
            Exit::Failed
        }
    }
}

async fn perform(args: Args) -> Exit {
    let Args { command, shared } = args;
    let topology = match shared.topology() {
        Ok(topology) => topology,
        Err(message) => return refuse(&message),
    };
    let client = match kube::Client::try_default().await {
        Ok(client) => client,
        Err(error) => {
            error!("could not set up the connection to the API server: {}", report(&error));
            return Exit::Failed;
        }
    };
    let registry = ConfigMapRegistry::new(client, &shared);
    let (Command::Start(files) | Command::Watch(files)) = &command;
    let settings = match files.settings(&topology, &shared) {
        Ok(settings) => settings,
        Err(message) => return refuse(&message),
    };
    if let Command::Watch(_) = command {
        return watch::run(&registry, &topology, &settings).await;
    }
    match start::run(&registry, &topology, &settings).await {
        Ok(()) => Exit::Clean,
        Err(error) => {
            error!("{}", report(&error));
            Exit::Failed
        }
    }
}

fn refuse(message: &str) -> Exit {
    complain(PROGRAM, message);
    Exit::Usage
}
