//! Runs a command line and returns the exit code. Only this module prints.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use cairn_kit::exit::{Exit, complain};
use cairn_kit::usage;
use clap::{CommandFactory as _, FromArgMatches as _};
use tokio::runtime::Builder;

use crate::args::check::CheckCommand;
use crate::args::group::MembersCommand;
use crate::args::{AdminCommand, Args, BenchCommand, Command};
use crate::etcd::EtcdError;
use crate::report::Report;
use crate::{
    admin, ask, bench, check, claims, completion, inject, leader, members, owner, pools, release,
    shards, ui,
};

/// The name in messages, also as a plugin of kubectl.
const PROGRAM: &str = "cairn";

/// The name of the program's file as a plugin of kubectl. Users type `kubectl cairn`.
const PLUGIN: &str = "kubectl-cairn";

/// Runs a command line.
pub fn run(argv: &[OsString]) -> Exit {
    let program = match argv.first().and_then(|program| Path::new(program).file_stem()) {
        Some(stem) if stem == PLUGIN => PLUGIN,
        _ => PROGRAM,
    };
    let parsed = match parse(argv, program) {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() => {
            complain(PROGRAM, &usage::message(&error, PROGRAM));
            return Exit::Usage;
        }
        Err(help) => {
            say(&help.render().ansi().to_string());
            return Exit::Clean;
        }
    };
    match execute(&parsed.command, program) {
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

fn parse(argv: &[OsString], program: &str) -> Result<Args, clap::Error> {
    let typed = program.replace("kubectl-", "kubectl ");
    let matches = Args::command().bin_name(typed).try_get_matches_from(argv)?;
    Args::from_arg_matches(&matches)
}

fn execute(command: &Command, program: &str) -> Result<Report, EtcdError> {
    match command {
        Command::Inject(args) => Ok(inject::run(args)),
        Command::Completion(args) => Ok(completion::run(args, program)),
        Command::Check(args) => match &args.what {
            Some(CheckCommand::Pod(args)) => wait(check::pod::run(args)),
            None if args.files.is_empty() => wait(check::cluster::run(args)),
            None => Ok(check::files::run(&args.files, args.namespace.as_deref())),
        },
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
        Command::Ui(args) => wait(ui::run(args, say)),
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

/// Colours reach only a terminal, and not under `NO_COLOR`.
fn say(text: &str) {
    // A closed pipe is no error.
    let _ = write!(anstream::stdout(), "{text}");
}
