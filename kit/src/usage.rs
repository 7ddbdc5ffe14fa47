//! clap's errors as one sentence that says what to write.
//!
//! The sentence reaches the log of a pod that does not start, and a pod's Events, where usage text over several
//! lines would drown it. `--help` and `--version` are answers, not errors.

use std::ffi::OsString;
use std::io::{self, Write as _};

use cairn_core::contract::env;
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::{Exit, complain};

/// One sentence for an error of the command line of `program`.
pub fn message(error: &clap::Error, program: &str) -> String {
    let command = command(error).unwrap_or_else(|| program.to_owned());
    let argument = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let flag = argument.split(' ').next().unwrap_or_default();
    let advice = |suggestion| {
        text(error, suggestion).map_or_else(
            || format!("see {command} --help"),
            |nearest| format!("did you mean {nearest}?"),
        )
    };
    match error.kind() {
        ErrorKind::MissingSubcommand => {
            format!("say what to do: {}", one_of(&texts(error, ContextKind::ValidSubcommand)))
        }
        ErrorKind::InvalidSubcommand => {
            let word = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            format!(
                "'{word}' is not a command of {command}; {}",
                advice(ContextKind::SuggestedSubcommand)
            )
        }
        ErrorKind::MissingRequiredArgument => {
            format!("also give {}", texts(error, ContextKind::InvalidArg).join(", "))
        }
        ErrorKind::UnknownArgument if flag.starts_with('-') => {
            format!("{flag} is not a flag of {command}; {}", advice(ContextKind::SuggestedArg))
        }
        ErrorKind::UnknownArgument => format!("'{argument}' is one word too many; remove it"),
        ErrorKind::InvalidValue | ErrorKind::NoEquals | ErrorKind::TooFewValues => {
            match text(error, ContextKind::InvalidValue).filter(|value| !value.is_empty()) {
                Some(value) => {
                    let choices = one_of(&texts(error, ContextKind::ValidValue));
                    format!("{flag} '{value}' is not known; use {choices}")
                }
                None => format!("{flag} needs a value; write it like {argument}"),
            }
        }
        ErrorKind::TooManyValues => format!("{flag} takes no value; write {flag} alone"),
        ErrorKind::ValueValidation => match std::error::Error::source(error) {
            Some(reason) => format!("{flag}: {reason}"),
            None => first_line(error),
        },
        // The other argument of the conflict is the same one.
        ErrorKind::ArgumentConflict
            if text(error, ContextKind::PriorArg).is_none_or(|prior| prior == argument) =>
        {
            format!("{flag} is given twice; give it once")
        }
        _ => first_line(error),
    }
}

/// Reads a command line. When it is wrong, or asks for help, the answer is printed and the exit code returned.
pub fn parse<A: Parser>(command_line: &[OsString], program: &str) -> Result<A, Exit> {
    A::try_parse_from(command_line).map_err(|error| {
        if error.use_stderr() {
            complain(program, &message(&error, program));
            return Exit::Usage;
        }
        let _ = write!(io::stdout(), "{error}");
        Exit::Clean
    })
}

/// Flags of `command`, and of its subcommands, that read a variable which an app gets. A program that is started
/// from an app's environment would take somebody's finished name for its setting, so there must be none.
pub fn flags_of_app_variables(command: clap::Command) -> Vec<String> {
    let mut found = Vec::new();
    let mut commands = vec![command];
    while let Some(command) = commands.pop() {
        for flag in command.get_arguments() {
            let variable = flag.get_env().and_then(|name| name.to_str());
            if let Some(variable) = variable.filter(|variable| env::is_of_app(variable)) {
                found.push(format!("--{} reads {variable}", flag.get_id()));
            }
        }
        commands.extend(command.get_subcommands().cloned());
    }
    found
}

/// The command or subcommand whose arguments are wrong, as people type it: the words of the usage line before
/// its first argument.
fn command(error: &clap::Error) -> Option<String> {
    let ContextValue::StyledStr(usage) = error.get(ContextKind::Usage)? else {
        return None;
    };
    let usage = usage.to_string();
    let line = usage.trim_start().strip_prefix("Usage:")?.lines().next()?;
    let words = line.split_whitespace().take_while(|word| !word.starts_with(['[', '<', '-']));
    Some(words.collect::<Vec<_>>().join(" ")).filter(|command| !command.is_empty())
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    texts(error, kind).into_iter().next()
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

fn one_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn first_line(error: &clap::Error) -> String {
    let rendered = error.to_string();
    let line = rendered.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests;
