//! Runs a command line and returns the exit code. Only this module prints.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;

use cairn_kit::exit::{Exit, complain};
use cairn_kit::usage;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};
use tokio::runtime::Builder;

use crate::args::group::MembersCommand;
use crate::args::{AdminCommand, Args, BenchCommand, Command};
use crate::etcd::EtcdError;
use crate::report::Report;
use crate::{admin, ask, bench, check, claims, leader, members, owner, pools, release, shards};

/// The name in messages, also as a plugin of kubectl.
const PROGRAM: &str = "cairn";

/// Runs a command line.
pub fn run(argv: &[OsString]) -> Exit {
    let parsed = match parse(argv) {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() => {
            complain(PROGRAM, &message(&error));
            return Exit::Usage;
        }
        Err(help) => {
            say(&help.to_string());
            return Exit::Clean;
        }
    };
    match execute(&parsed.command) {
        Ok(report) => {
            say(&report.text);
            for message in &report.errors {
                complain(PROGRAM, message);
            }
            report.exit
        }
        Err(error) => {
            complain(PROGRAM, &error.to_string());
            if error.is_usage() { Exit::Usage } else { Exit::Failed }
        }
    }
}

/// As a plugin of kubectl the program is called `kubectl-cairn`, and users type `kubectl cairn`.
fn parse(argv: &[OsString]) -> Result<Args, clap::Error> {
    let plugin = argv
        .first()
        .and_then(|program| Path::new(program).file_stem())
        .is_some_and(|stem| stem == "kubectl-cairn");
    let name = if plugin { "kubectl cairn" } else { "cairn" };
    let matches = Args::command().bin_name(name).try_get_matches_from(argv)?;
    Args::from_arg_matches(&matches)
}

fn execute(command: &Command) -> Result<Report, EtcdError> {
    match command {
        Command::Check(args) => Ok(check::run(args)),
        Command::Claims(args) => wait(claims::run(args)),
        Command::Release(args) => wait(release::run(args)),
        Command::Members(args) => match &args.what {
            None => wait(members::run(&args.show)),
            Some(MembersCommand::Drop(args)) => wait(members::drop(args)),
        },
        Command::Leader(args) => wait(leader::run(args)),
        Command::StepDown(args) => wait(ask::step_down(args)),
        Command::Shards(args) => wait(shards::run(args)),
        Command::Owner(args) => wait(owner::run(args)),
        Command::Drain(args) => wait(ask::drain(args)),
        Command::Admin(args) => match &args.what {
            AdminCommand::Restored(args) => wait(admin::restored(args)),
            AdminCommand::ResetClock(args) => wait(admin::reset_clock(args)),
        },
        Command::Bench(args) => match &args.what {
            BenchCommand::Herd(args) => wait(bench::run(args)),
        },
        Command::Pools(args) => wait(pools::run(args)),
    }
}

fn wait(command: impl Future<Output = Result<Report, EtcdError>>) -> Result<Report, EtcdError> {
    // It fails if a provider is installed already, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_all().build().map_err(EtcdError::Runtime)?;
    let ended = runtime.block_on(command);
    // A DNS resolver that hangs must not delay the exit.
    runtime.shutdown_background();
    ended
}

fn say(text: &str) {
    // A closed pipe is no error.
    let _ = write!(io::stdout(), "{text}");
}

/// The message for a wrong command line.
fn message(error: &clap::Error) -> String {
    match error.get(ContextKind::InvalidArg) {
        // The name of the argument does not mention standard input.
        Some(ContextValue::Strings(missing))
            if error.kind() == ErrorKind::MissingRequiredArgument
                && missing.iter().any(|argument| argument.starts_with("<FILE>")) =>
        {
            "name the files to check, or - for standard input".to_owned()
        }
        _ => usage::message(error, PROGRAM),
    }
}
