//! What a check has found. Each finding is one sentence, and where something is wrong it says what to do.

use cairn_kit::exit::Exit;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use serde_json::json;

use super::count;
use crate::output::Output;
use crate::report::Report;
use crate::terminal;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Fine,
    /// It could not be looked at.
    Unknown,
    /// It works, and may fail later.
    Warning,
    /// Something does not work.
    Problem,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub about: &'static str,
    /// What was found.
    pub message: String,
}

// === impl Finding ===

impl Finding {
    /// As it should be.
    pub fn fine(about: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Fine, about, message: message.into() }
    }

    /// It could not be looked at.
    pub fn unknown(about: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Unknown, about, message: message.into() }
    }

    /// It may fail later.
    pub fn warning(about: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, about, message: message.into() }
    }

    /// Something does not work.
    pub fn problem(about: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Problem, about, message: message.into() }
    }
}

// === impl Level ===

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Fine => AnsiColor::Green.on_default(),
            Self::Unknown | Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Problem => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// All findings: one line each, and a last one that counts them. A problem gives exit code 1.
pub fn report(findings: &[Finding], output: Output) -> Report {
    let is_wrong = findings.iter().any(|finding| finding.level == Level::Problem);
    let exit = if is_wrong { Exit::Failed } else { Exit::Clean };
    if let Some(text) = output.object(|| json!({"findings": findings})) {
        return Report { text, exit, ..Report::default() };
    }
    let columns = terminal::width();
    let width = findings.iter().map(|finding| finding.about.len()).max().unwrap_or_default();
    let line = |finding: &Finding| {
        let Finding { level, about, message } = finding;
        let style = level.style();
        let message = terminal::broken(message, 7 + 2 + width + 2, columns);
        format!("{style}{:7}{style:#}  {about:width$}  {message}\n", level.word())
    };
    let lines: String = findings.iter().map(line).collect();
    Report { text: format!("{lines}{}\n", summary(findings)), exit, ..Report::default() }
}

fn summary(findings: &[Finding]) -> String {
    let some = |level| {
        let number = findings.iter().filter(|finding| finding.level == level).count();
        Some(number).filter(|number| *number > 0)
    };
    let counts = [
        some(Level::Problem).map(|number| count::of(number, "problem")),
        some(Level::Warning).map(|number| count::of(number, "warning")),
        some(Level::Unknown).map(|number| format!("{number} not looked at")),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() {
        "Nothing is wrong.".to_owned()
    } else {
        format!("{}.", counts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_line_up_and_a_problem_decides_the_exit_code() {
        let fine = [Finding::fine("versions", "good"), Finding::unknown("etcd", "no access")];
        let calm = report(&fine, Output::Table);
        let text = anstream::adapter::strip_str(&calm.text).to_string();
        assert_eq!(
            text,
            "fine     versions  good\nunknown  etcd      no access\n1 not looked at.\n"
        );
        assert_eq!(calm.exit, Exit::Clean);
        let bad = [Finding::problem("etcd", "x"), Finding::warning("pods", "y")];
        let bad = report(&bad, Output::Json);
        assert_eq!(bad.exit, Exit::Failed);
        let object: serde_json::Value = serde_json::from_str(&bad.text).unwrap();
        assert_eq!(
            object["findings"][0],
            json!({"level": "problem", "about": "etcd", "message": "x"})
        );
        assert_eq!(summary(&fine[..1]), "Nothing is wrong.");
    }
}
