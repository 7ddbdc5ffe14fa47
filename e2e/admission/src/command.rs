//! The command line of `cairn-admission`.

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::bench::{Kind, alone, app, server};

const USAGE: &str = "cairn-admission: write one of\n\
    cairn-admission bench [--write DIR]      measure, print, and write the page of the documentation into a folder\n\
    cairn-admission serve cairn|typed        a server of the benchmark, until standard input is closed\n\
    cairn-admission webhook [FLAGS]          what cairn-webhook does";

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
        ["bench"] => bench(None),
        ["bench", "--write", folder] => bench(Some(PathBuf::from(folder))),
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

fn bench(write: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let alone = alone::measure(&program)?;
    for one in &alone {
        eprintln!("{one:?}");
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(runtime.block_on(app::run(&program, alone, write))?)
}

fn wrong() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
