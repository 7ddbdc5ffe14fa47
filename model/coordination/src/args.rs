//! The command line.

use clap::Parser;
use clap::builder::PossibleValuesParser;

use crate::rule::Rule;
use crate::scenario;

/// Checks the coordination protocol in small bounds: every state, every promise.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cairn-coordination-model",
    version,
    after_help = "Exit codes: 0 as expected, 1 not, 2 wrong usage."
)]
pub(crate) struct Args {
    /// The scenarios to check, or `all`; the small ones when none is named
    #[arg(
        value_name = "SCENARIO",
        value_parser = PossibleValuesParser::new(
            scenario::all().iter().map(|scenario| scenario.name).chain(["all"])
        )
    )]
    pub(crate) scenarios: Vec<String>,
    /// Stop a check after so many steps
    #[arg(long, value_name = "STEPS")]
    pub(crate) limit: Option<usize>,
    /// Print the milestones of each check, and how often it reached them
    #[arg(long)]
    pub(crate) milestones: bool,
    /// Leave a rule of the protocol out, and print the shortest way to each promise that needs it
    #[arg(
        long,
        value_name = "RULE",
        value_parser = PossibleValuesParser::new(
            Rule::ALL.iter().map(|rule| rule.name()).chain(["all"])
        )
    )]
    pub(crate) left_out: Option<String>,
}
