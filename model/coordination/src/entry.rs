//! From a raw command line to an exit code. The only place that prints.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Args;
use crate::left_out::{Case, left_out};
use crate::property::Promise;
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
    let limit = args.limit;
    let expected = match args.left_out.as_deref() {
        Some(name) => {
            let rules = Rule::ALL.iter().filter(|rule| name == "all" || rule.name() == name);
            let mut fine = true;
            for case in rules.flat_map(|rule| left_out(*rule)) {
                fine &= without(&case, limit);
            }
            fine
        }
        None => scenarios(&args, limit),
    };
    if expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints one line per scenario as soon as it was checked. True when every promise held.
fn scenarios(args: &Args, limit: Option<usize>) -> bool {
    say(format_args!(
        "{:<22} {:>10} {:>11} {:>5} {:>7}  verdict",
        "scenario", "states", "steps", "depth", "seconds"
    ));
    let mut fine = true;
    let named = |name: &str| args.scenarios.iter().any(|other| other == name || other == "all");
    for scenario in scenario::all() {
        let small = args.scenarios.is_empty() && scenario.small;
        if !small && !named(scenario.name) {
            continue;
        }
        let report = check(&scenario.config, Promise::ALL, limit);
        let Report { states, steps, depth, .. } = report;
        say(format_args!(
            "{:<22} {states:>10} {steps:>11} {depth:>5} {:>7.1}  {}",
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
fn without(case: &Case, limit: Option<usize>) -> bool {
    let Case { rule, promise, config } = case;
    let report = check(&config.clone().without(*rule), &[*promise], limit);
    say(format_args!("without {}: {report}", rule.name()));
    report.broken(*promise).is_some()
}

/// A closed pipe, as `head` leaves it, is no error.
fn say(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}
