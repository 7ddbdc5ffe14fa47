//! From a raw command line to an exit code: parse, log, pick the crypto provider, start the runtime.
//!
//! Only this module and the other commands print; all others log.

use std::ffi::OsString;

use cairn_kit::errors::report;
use cairn_kit::exit::{Exit, complain};
use cairn_kit::{log, shutdown, usage};
use tokio::runtime::Builder;
use tracing::error;

use crate::app::{self, BuildError};
use crate::args::Args;
use crate::{etcd_authorities, etcd_certificate, etcd_member};

/// The name in messages.
const PROGRAM: &str = "cairn-webhook";

/// One for admissions, one for the controllers.
const THREADS: usize = 2;

/// Runs a command line.
pub fn run(argv: &[OsString]) -> Exit {
    match argv.get(1..) {
        Some(rest @ [command, ..]) if command == etcd_member::COMMAND => {
            return etcd_member::run(rest);
        }
        Some(rest @ [command, ..]) if command == etcd_authorities::COMMAND => {
            return etcd_authorities::run(rest);
        }
        Some(rest @ [command, ..]) if command == etcd_certificate::COMMAND => {
            return etcd_certificate::run(rest);
        }
        _ => {}
    }
    let parsed: Args = match usage::parse(argv, PROGRAM) {
        Ok(parsed) => parsed,
        Err(exit) => return exit,
    };
    log::init(&parsed.log);
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        error!("another crypto provider is installed already");
        return Exit::Failed;
    }
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(start(parsed)),
        Err(error) => {
            error!(%error, "cannot start the runtime");
            Exit::Failed
        }
    }
}

async fn start(args: Args) -> Exit {
    let shutdown = match shutdown::on_signals() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            error!(%error, "cannot listen for signals");
            return Exit::Failed;
        }
    };
    match app::build(args).await {
        Ok(bound) => bound.run(shutdown).await,
        Err(BuildError::Usage(error)) => {
            complain(PROGRAM, &error.to_string());
            Exit::Usage
        }
        Err(error) => {
            error!("{}", report(&error));
            Exit::Failed
        }
    }
}
