//! clap's errors as one sentence that says what to write: it ends up in the log of a pod that does
//! not start, where usage text over several lines would drown it.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// One sentence for an error of the command line.
pub fn of(error: &clap::Error) -> String {
    let all = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let text = |kind| all(kind).into_iter().next();
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let flag = argument.split(' ').next().unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let choices = all(ContextKind::ValidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let advice = text(ContextKind::SuggestedArg).map_or_else(
                || "see cairn-webhook --help".to_owned(),
                |suggestion| format!("did you mean {suggestion}?"),
            );
            format!("{flag} is not a flag of cairn-webhook; {advice}")
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = all(ContextKind::InvalidArg).join(", ");
            format!("flags are missing; add {missing}")
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{flag} needs a value; write it like {argument}")
        }
        ErrorKind::InvalidValue if !choices.is_empty() => {
            format!("{flag} '{value}' is not known; use one of {}", choices.join(", "))
        }
        ErrorKind::ValueValidation => {
            format!("{flag} '{value}' is not valid; {}", cause(error))
        }
        ErrorKind::ArgumentConflict => format!("{flag} is given twice; give it once"),
        _ => first_line(&error.to_string()),
    }
}

fn cause(error: &clap::Error) -> String {
    std::error::Error::source(error).map_or_else(
        || "see cairn-webhook --help".to_owned(),
        |source| format!("{source}, see cairn-webhook --help"),
    )
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
        of(&Args::try_parse_from(["cairn-webhook"].iter().chain(argv)).unwrap_err())
    }

    #[test]
    fn a_wrong_command_line_gives_one_sentence_that_says_what_to_write() {
        assert_eq!(say(&["--etc=x"]), "--etc is not a flag of cairn-webhook; did you mean --etcd?");
        assert_eq!(
            say(&["--namespace=a", "--pod-name=b"]),
            "flags are missing; add --etcd <URL[,URL...]>, --sidecar-image <IMAGE>"
        );
        assert_eq!(say(&["--etcd"]), "--etcd needs a value; write it like --etcd <URL[,URL...]>");
        assert_eq!(
            say(&["--env-mode=fil"]),
            "--env-mode 'fil' is not known; use one of auto, file, annotation, none"
        );
        assert_eq!(
            say(&["--admission-listen=x"]),
            "--admission-listen 'x' is not valid; invalid socket address syntax, see cairn-webhook --help"
        );
    }
}
