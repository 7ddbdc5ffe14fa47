//! Runs a command line: parses it, sets up logs, crypto provider and runtime, and returns the exit code.
//!
//! Only this module prints; all others log or return.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::duration;
use cairn_kit::clock::SystemClock;
use cairn_kit::errors::report;
use cairn_kit::exit::{Exit, complain};
use cairn_kit::log::{self, LogArgs};
use cairn_kit::{shutdown, usage};
use clap::Parser as _;
use tokio::runtime::Builder;

use crate::args::{Args, ClaimArgs, Command, DrainArgs, ProbeArgs, RunArgs, Salvage, TetherArgs};
use crate::config::Config;
use crate::program::{self, Program, tether};
use crate::{app, drain, drive, probe};

/// The name in messages.
const PROGRAM: &str = "cairn-sidecar";

/// One thread does the file work. The others wait for a DNS resolver that hangs, which must not delay the removal of a
/// `Stop` pool's files.
const BLOCKING_THREADS: usize = 4;

/// Below the renewal period, so that idle threads end between two renewals.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Runs a command line.
pub fn run(argv: &[OsString]) -> ExitCode {
    let parsed = match Args::try_parse_from(argv) {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() => {
            return refuse(argv, &usage::message(&error, PROGRAM)).into();
        }
        Err(help) => {
            say(&help.to_string());
            return Exit::Clean.into();
        }
    };
    match parsed.command {
        Some(Command::Probe(flags)) => run_probe(&flags).into(),
        Some(Command::Drain(flags)) => run_drain(&flags).into(),
        Some(Command::Run(flags)) => run_program(*flags),
        Some(Command::Tether(flags)) => run_tethered(&flags),
        None => run_claim(argv, parsed.claim).into(),
    }
}

fn run_claim(argv: &[OsString], flags: ClaimArgs) -> Exit {
    let config = match Config::try_from(flags) {
        Ok(config) => config,
        Err(error) => return refuse(argv, &error.to_string()),
    };
    set_up(&config);
    in_runtime(async {
        let shutdown = shutdown::on_signals()?;
        let clock = Arc::new(SystemClock);
        Ok(app::run(Arc::new(config), clock, drive::run, shutdown).await)
    })
}

fn run_program(flags: RunArgs) -> ExitCode {
    let RunArgs { claim, grace, program: command } = flags;
    // Not `refuse`: it would wait for a probe that nobody sends.
    let checked = match duration::parse(&grace) {
        _ if claim.in_pod => {
            Err("run is for machines without Kubernetes; remove --in-pod".to_owned())
        }
        Err(_) => Err(format!("--grace '{grace}' is not a duration; write it like 5s")),
        Ok(grace) => {
            Config::try_from(claim).map(|config| (config, grace)).map_err(|error| error.to_string())
        }
    };
    let (config, grace) = match checked {
        Ok(flags) => flags,
        Err(message) => {
            complain(PROGRAM, &message);
            return Exit::Usage.into();
        }
    };
    set_up(&config);
    in_runtime(async {
        let shutdown = shutdown::on_signals()?;
        let program = Program { command, grace };
        Ok(program::run(Arc::new(config), program, Arc::new(SystemClock), shutdown).await)
    })
}

/// Shells report 127 for a program that cannot be started.
fn run_tethered(flags: &TetherArgs) -> ExitCode {
    let error = tether::become_program(flags.parent, &flags.program);
    complain(PROGRAM, &report(&error));
    ExitCode::from(127)
}

fn set_up(config: &Config) {
    log::init(&config.log);
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider is installed already");
    }
}

fn run_probe(flags: &ProbeArgs) -> Exit {
    let Ok(wait) = duration::parse(&flags.wait) else {
        let message = format!("--wait '{}' is not a duration; write it like 900ms", flags.wait);
        complain(PROGRAM, &message);
        return Exit::Usage;
    };
    in_runtime(async {
        Ok(match probe::ask(&flags.dir, wait).await {
            Ok(()) => Exit::Clean,
            Err(error) => {
                say(&format!("{}\n", report(&error)));
                Exit::Failed
            }
        })
    })
}

fn run_drain(flags: &DrainArgs) -> Exit {
    let wait = flags.wait.as_deref().map(duration::parse).transpose();
    let Ok(wait) = wait else {
        let text = flags.wait.as_deref().unwrap_or_default();
        complain(PROGRAM, &format!("--wait '{text}' is not a duration; write it like 12s"));
        return Exit::Usage;
    };
    in_runtime(async {
        Ok(match drain::ask(&flags.dir, wait, |line| say(&format!("{line}\n"))).await {
            Ok(()) => Exit::Clean,
            Err(error) => {
                say(&format!("{}\n", report(&error)));
                Exit::Failed
            }
        })
    })
}

/// Reports wrong flags. In a pod it serves the startup probe until the shutdown, so that the probe reports them.
fn refuse(argv: &[OsString], message: &str) -> Exit {
    match Salvage::of(argv) {
        None => complain(PROGRAM, message),
        Some(salvage) => {
            log::init(&LogArgs::default());
            in_runtime(explain_until_stopped(&salvage.dir, message));
        }
    }
    Exit::Usage
}

async fn explain_until_stopped(dir: &Path, message: &str) -> io::Result<Exit> {
    let shutdown = shutdown::on_signals()?;
    tokio::select! {
        () = app::explain(dir, message) => {}
        () = shutdown.draining() => {}
    }
    Ok(Exit::Usage)
}

fn in_runtime<T: From<Exit>>(work: impl Future<Output = io::Result<T>>) -> T {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_KEEP_ALIVE)
        .build();
    let ended = runtime.and_then(|runtime| {
        let ended = runtime.block_on(work);
        // A DNS resolver that hangs must not delay the exit.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(exit) => exit,
        Err(error) => {
            complain(PROGRAM, &format!("cannot start: {error}"));
            Exit::Failed.into()
        }
    }
}

fn say(text: &str) {
    let _ = write!(io::stdout(), "{text}");
}
