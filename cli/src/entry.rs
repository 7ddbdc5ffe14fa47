//! From a raw command line to an exit code. The only place that prints.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _};
use tokio::runtime::Builder;

use crate::args::{AdminCommand, Args, BenchCommand, Command, sentence};
use crate::etcd::EtcdError;
use crate::report::{Exit, Report};
use crate::{admin, bench, check, claims, pools, release};

/// Runs a command line.
pub fn run(argv: &[OsString]) -> Exit {
    let parsed = match parse(argv) {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() => return complain(&sentence::of(&error), Exit::Usage),
        Err(help) => {
            say(&help.to_string());
            return Exit::Fine;
        }
    };
    match execute(&parsed.command) {
        Ok(report) => {
            say(&report.text);
            for sentence in &report.trouble {
                complain(sentence, report.exit);
            }
            report.exit
        }
        Err(error) => {
            let exit = if error.is_usage() { Exit::Usage } else { Exit::Failed };
            complain(&error.to_string(), exit)
        }
    }
}

/// As a plugin of kubectl we are called `kubectl-cairn`, but that is not what people type.
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
    // It fails when there is one already, which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_all().build().map_err(EtcdError::Runtime)?;
    let ended = runtime.block_on(command);
    // A resolver that hangs keeps nobody waiting.
    runtime.shutdown_background();
    ended
}

fn say(text: &str) {
    // Whoever closed the pipe has read enough.
    let _ = write!(io::stdout(), "{text}");
}

fn complain(sentence: &str, exit: Exit) -> Exit {
    // Nobody reads it when standard error is closed, and there is nobody else to tell.
    let _ = writeln!(io::stderr(), "cairn: {sentence}");
    exit
}
