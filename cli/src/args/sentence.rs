//! clap's errors as one sentence that says what to write.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// One sentence for an error of the command line.
pub fn of(error: &clap::Error) -> String {
    let texts = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let text = |kind| texts(kind).into_iter().next();
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let flag = argument.split(' ').next().unwrap_or_default();
    match error.kind() {
        ErrorKind::MissingSubcommand => {
            format!("say what to do: {}", one_of(&texts(ContextKind::ValidSubcommand)))
        }
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            let advice = text(ContextKind::SuggestedSubcommand).map_or_else(
                || "--help shows those there are".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            format!("'{word}' is not a command of cairn; {advice}")
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = texts(ContextKind::InvalidArg);
            if missing.iter().any(|argument| argument.starts_with("<FILE>")) {
                "name the files to check, or - for standard input".to_owned()
            } else {
                format!("also give {}", missing.join(", "))
            }
        }
        ErrorKind::UnknownArgument if flag.starts_with('-') => {
            let advice = text(ContextKind::SuggestedArg).map_or_else(
                || "--help shows those there are".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            format!("{flag} is not a flag here; {advice}")
        }
        ErrorKind::UnknownArgument => {
            format!("'{argument}' is one word too many; remove it")
        }
        ErrorKind::InvalidValue => match text(ContextKind::InvalidValue) {
            Some(found) if !found.is_empty() => {
                let words = texts(ContextKind::ValidValue).join(" or ");
                format!("{flag} '{found}' is not known; use {words}")
            }
            _ => format!("{flag} needs a value; write it like {argument}"),
        },
        ErrorKind::ArgumentConflict => format!("{flag} is given twice; give it once"),
        _ => first_line(&error.to_string()),
    }
}

fn one_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn first_line(rendered: &str) -> String {
    let line = rendered.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
