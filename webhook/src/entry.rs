//! From a raw command line to an exit code: parse, log, pick the crypto provider, start the runtime.
//!
//! The only place that prints: everything behind it logs or answers.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::Parser as _;
use tokio::runtime::Builder;
use tracing::error;

use crate::app::{self, BuildError, Exit};
use crate::args::{Args, sentence};
use crate::report::report;
use crate::{etcd_member, logging, shutdown};

/// One for admissions, one for whatever the controllers are doing.
const THREADS: usize = 2;

/// Runs a command line.
pub fn run(argv: &[OsString]) -> Exit {
    if let Some(rest @ [command, ..]) = argv.get(1..)
        && command == etcd_member::COMMAND
    {
        return etcd_member::run(rest);
    }
    let parsed = match Args::try_parse_from(argv) {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() => {
            return refuse(&sentence::of(&error));
        }
        Err(help) => {
            let _ = write!(io::stdout(), "{help}");
            return Exit::Clean;
        }
    };
    logging::init(parsed.log_format);
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
    let (drain, abort) = match shutdown::on_signals() {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "cannot listen for signals");
            return Exit::Failed;
        }
    };
    match app::build(args).await {
        Ok(bound) => bound.run(drain, abort).await,
        Err(BuildError::Usage(sentence)) => refuse(&sentence),
        Err(error) => {
            error!("{}", report(&error));
            Exit::Failed
        }
    }
}

fn refuse(sentence: &str) -> Exit {
    let _ = writeln!(io::stderr(), "cairn-webhook: {sentence}");
    Exit::Usage
}
