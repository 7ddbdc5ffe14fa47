//! clap's errors as one sentence that says what to write: it reaches a pod's Events, where usage
//! text over several lines would drown it.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// One sentence for an error of the command line.
pub fn of(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let flag = argument.split(' ').next().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with('-') => {
            let suggestion = text(ContextKind::SuggestedArg).map_or_else(
                || "see cairn-sidecar --help".to_owned(),
                |suggestion| format!("did you mean {suggestion}?"),
            );
            format!("{flag} is not a flag of cairn-sidecar; {suggestion}")
        }
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand).unwrap_or(argument);
            format!("'{word}' is not a command of cairn-sidecar; use flags, or the command probe")
        }
        ErrorKind::InvalidValue | ErrorKind::NoEquals | ErrorKind::TooFewValues => {
            format!("{flag} needs a value; write it like {argument}")
        }
        ErrorKind::TooManyValues => {
            format!("{flag} takes no value; write {flag} alone")
        }
        ErrorKind::ArgumentConflict
            if text(ContextKind::PriorArg).is_none_or(|p| p == argument) =>
        {
            format!("{flag} is given twice; give it once")
        }
        _ => first_line(&error.to_string()),
    }
}

fn first_line(rendered: &str) -> String {
    let line = rendered.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    fn say(argv: &[&str]) -> String {
        let argv = ["cairn-sidecar"].iter().chain(argv);
        of(&Args::try_parse_from(argv).unwrap_err())
    }

    #[test]
    fn a_wrong_command_line_gives_one_sentence_that_says_what_to_write() {
        assert_eq!(
            say(&["--pol", "x"]),
            "--pol is not a flag of cairn-sidecar; did you mean --pool?"
        );
        assert_eq!(
            say(&["--colour"]),
            "--colour is not a flag of cairn-sidecar; see cairn-sidecar --help"
        );
        assert_eq!(
            say(&["claim"]),
            "'claim' is not a command of cairn-sidecar; use flags, or the command probe"
        );
        assert_eq!(say(&["--pool"]), "--pool needs a value; write it like --pool <NAME[,NAME...]>");
        assert_eq!(say(&["--pool", "a", "--pool", "b"]), "--pool is given twice; give it once");
        assert_eq!(say(&["--dir="]), "--dir needs a value; write it like --dir <PATH>");
        assert_eq!(say(&["--in-pod=yes"]), "--in-pod takes no value; write --in-pod alone");
    }
}
