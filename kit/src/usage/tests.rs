use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use super::*;

#[derive(Debug, Parser)]
#[command(
    name = "program",
    subcommand_required = true,
    arg_required_else_help = false,
    disable_help_subcommand = true
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes flags.
    Show {
        #[arg(long, value_name = "PATH")]
        dir: Option<PathBuf>,
        #[arg(long)]
        long: bool,
        #[arg(long)]
        format: Option<Format>,
        #[arg(long, value_parser = small, value_name = "N")]
        count: Option<u8>,
    },
    /// Takes words.
    Take { pool: String, name: String },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
    Table,
}

fn small(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number; give one from 1 to 255"))
}

fn say(line: &str) -> String {
    let argv = ["program"].into_iter().chain(line.split_whitespace());
    message(&Args::try_parse_from(argv).unwrap_err(), "program")
}

#[test]
fn a_wrong_command_line_gives_one_sentence_that_says_what_to_write() {
    for (line, expected) in [
        ("", "say what to do: show or take"),
        ("tak", "'tak' is not a command of program; did you mean take?"),
        ("nonsense", "'nonsense' is not a command of program; see program --help"),
        ("show --dirs x", "--dirs is not a flag of program show; did you mean --dir?"),
        ("show --zigzag", "--zigzag is not a flag of program show; see program show --help"),
        ("show --dir", "--dir needs a value; write it like --dir <PATH>"),
        ("show --dir=", "--dir needs a value; write it like --dir <PATH>"),
        ("show --dir a --dir b", "--dir is given twice; give it once"),
        ("show --long=yes", "--long takes no value; write --long alone"),
        ("show --format xml", "--format 'xml' is not known; use text, json or table"),
        ("show --count x", "--count: 'x' is not a number; give one from 1 to 255"),
        ("take", "also give <POOL>, <NAME>"),
        ("take a b c", "'c' is one word too many; remove it"),
    ] {
        assert_eq!(say(line), expected, "{line}");
    }
}

#[test]
fn a_flag_that_reads_a_variable_of_an_app_is_found_in_subcommands_too() {
    assert_eq!(flags_of_app_variables(Args::command()), Vec::<String>::new());
    let flag = clap::Arg::new("prefix").long("prefix").env("CAIRN_MOUNTAINS_PREFIX");
    let command = Args::command().mut_subcommand("show", |show| show.arg(flag));
    let [found] = flags_of_app_variables(command).try_into().unwrap();
    assert_eq!(found, "--prefix reads CAIRN_MOUNTAINS_PREFIX");
}
