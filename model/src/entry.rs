//! From a raw command line to an exit code. The only place that prints.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Args;
use crate::left_out::left_out;
use crate::rule::Rule;
use crate::{Report, check, scenario};

/// Runs a command line.
pub fn run(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(line) {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            let _ = write!(io::stderr(), "{error}");
            return ExitCode::from(2);
        }
        Err(help) => {
            say(help);
            return ExitCode::SUCCESS;
        }
    };
    let expected = match args.left_out.as_deref().and_then(Rule::by_name) {
        Some(rule) => without(rule, args.limit),
        None => scenarios(&args),
    };
    if expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints one line per scenario as soon as it was checked. True when every promise held.
fn scenarios(args: &Args) -> bool {
    say(format_args!(
        "{:<14} {:>10} {:>10} {:>6} {:>8}  verdict",
        "scenario", "states", "steps", "depth", "seconds"
    ));
    let mut fine = true;
    for scenario in scenario::all() {
        if !args.scenarios.is_empty() && !args.scenarios.iter().any(|name| name == scenario.name) {
            continue;
        }
        let config = if args.large { &scenario.large } else { &scenario.small };
        let report = check(config, args.limit);
        let Report { states, steps, depth, .. } = report;
        say(format_args!(
            "{:<14} {states:>10} {steps:>10} {depth:>6} {:>8.1}  {}",
            scenario.name,
            report.took.as_secs_f64(),
            report.verdict()
        ));
        for counterexample in &report.counterexamples {
            say(counterexample);
        }
        if args.milestones {
            for (milestone, times) in &report.passed {
                say(format_args!("    {times:>9} {milestone}"));
            }
        }
        fine &= report.counterexamples.is_empty();
    }
    fine
}

/// Prints the counterexample without a rule. True when it breaks the expected promise.
fn without(rule: Rule, limit: Option<usize>) -> bool {
    let (config, promise) = left_out(rule);
    let report = check(&config.without(rule), limit);
    if let Some(counterexample) = report.broken(promise) {
        say(format_args!("without {}: {counterexample}", rule.name()));
        return true;
    }
    say(format_args!("without {}: expected a way to break '{promise}'; {report}", rule.name()));
    false
}

/// A closed pipe, as `head` leaves it, is no error.
fn say(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}
