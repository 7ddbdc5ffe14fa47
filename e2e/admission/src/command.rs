//! The command line of `cairn-admission`.

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::bench::app::{self, Programs};
use crate::bench::{Kind, alone, server};

const USAGE: &str = "cairn-admission: write one of\n\
    cairn-admission bench WEBHOOK [--write DIR]  measure with this cairn-webhook, print, and write the page into DIR\n\
    cairn-admission serve cairn|typed            a server of the benchmark, until standard input is closed\n\
    cairn-admission webhook [FLAGS]              what cairn-webhook does";

/// Runs a command line.
pub fn run(argv: &[OsString]) -> ExitCode {
    let words: Vec<&str> = argv.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let done = match words.as_slice() {
        // The entry of cairn-webhook takes the word before its flags as the program's name.
        ["webhook", ..] => {
            return cairn_webhook::entry::run(argv.get(1..).unwrap_or_default()).into();
        }
        ["serve", word] => match Kind::of_word(word) {
            Some(kind) => server::serve(kind),
            None => return wrong(),
        },
        ["bench", webhook] => bench(webhook, None),
        ["bench", webhook, "--write", folder] => bench(webhook, Some(PathBuf::from(folder))),
        _ => return wrong(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut line = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                line = format!("{line}: {error}");
                cause = error.source();
            }
            eprintln!("cairn-admission: {line}");
            ExitCode::FAILURE
        }
    }
}

fn bench(webhook: &str, write: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    let programs = Programs { own: std::env::current_exe()?, webhook: PathBuf::from(webhook) };
    let alone = alone::measure(&programs.own)?;
    for one in &alone {
        eprintln!("{one:?}");
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(runtime.block_on(app::run(&programs, alone, write))?)
}

fn wrong() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
