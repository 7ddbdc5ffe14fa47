//! Which identity an app's containers ran with, and when: from what they printed.

use std::collections::BTreeMap;

use crate::Failure;
use crate::app_log::{self, Line};
use crate::ns::Namespace;

/// A shell script that prints the name in its environment and the name in the file, every second.
pub const PRINTS: &str = "trap 'exit 0' TERM; while :; do \
     echo \"env=$CAIRN_NAME file=$(cat /var/run/cairn/name 2>/dev/null)\"; sleep 1 & wait $!; done";

/// One start of an app container, up to its last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The pod's name.
    pub pod: String,
    /// The name in its environment.
    pub env: String,
    /// The time of its first line.
    pub first: Instant,
    /// The time of its last line.
    pub last: Instant,
    /// Lines in which the file has another name than the environment.
    pub torn: Vec<String>,
}

/// Seconds as RFC 3339 text in UTC, and nanoseconds. It is ordered by time.
pub type Instant = (String, u32);

/// Every run of the containers `app` in a namespace, in the order of their starts.
pub fn of(ns: &Namespace) -> Result<Vec<Run>, Failure> {
    Ok(parse(&app_log::read(&ns.cluster, &ns.name, ".")?))
}

/// Pairs of runs of different pods that overlap in time and have the same name, described as text.
pub fn shared(runs: &[Run]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, a) in runs.iter().enumerate() {
        for b in runs.iter().skip(index + 1) {
            if a.pod != b.pod && a.env == b.env && a.first <= b.last && b.first <= a.last {
                found.push(format!(
                    "{} ran in {} from {} to {} and in {} from {} to {}",
                    a.env, a.pod, a.first.0, a.last.0, b.pod, b.first.0, b.last.0
                ));
            }
        }
    }
    found
}

fn parse(text: &str) -> Vec<Run> {
    let mut runs: BTreeMap<&str, Run> = BTreeMap::new();
    for line in app_log::lines(text) {
        let Some((at, env, name)) = fields(&line) else { continue };
        let run = runs.entry(line.file).or_insert_with(|| Run {
            pod: line.pod.to_owned(),
            env: env.to_owned(),
            first: at.clone(),
            last: at.clone(),
            torn: Vec::new(),
        });
        run.last = at;
        if !name.is_empty() && name != env {
            run.torn.push(line.whole.to_owned());
        }
    }
    let mut runs: Vec<Run> = runs.into_values().collect();
    runs.sort_by(|a, b| a.first.cmp(&b.first));
    runs
}

/// Time, name in the environment, name in the published file.
fn fields<'a>(line: &Line<'a>) -> Option<(Instant, &'a str, &'a str)> {
    let (env, name) = line.message.strip_prefix("env=")?.split_once(" file=")?;
    let stamp = line.stamp.strip_suffix('Z')?;
    let (seconds, fraction) = stamp.split_once('.').unwrap_or((stamp, ""));
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    Some(((seconds.to_owned(), nanos), env, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pod: &str, restart: u32, stamp: &str, env: &str, file: &str) -> String {
        format!(
            "/var/log/pods/t-x_{pod}_uid/app/{restart}.log:2026-11-26T07:41:{stamp}Z stdout F \
             env={env} file={file}\n"
        )
    }

    #[test]
    fn overlapping_runs_of_two_pods_with_one_name_are_found() {
        let text = [
            line("a", 0, "01.5", "3", "3"),
            line("a", 0, "09.1", "3", ""),
            line("b", 0, "09", "3", "3"),
            line("b", 0, "12.25", "3", "3"),
            line("c", 0, "05", "4", "4"),
        ]
        .concat();
        assert_eq!(shared(&parse(&text)).len(), 1);
    }

    #[test]
    fn a_restart_is_a_run_of_its_own_and_a_line_with_two_names_is_kept() {
        let text = [
            line("a", 0, "01.5", "3", "3"),
            line("b", 0, "02", "3", "3"),
            line("a", 1, "20", "4", "3"),
        ]
        .concat();
        let runs = parse(&text);
        assert_eq!(runs.len(), 3);
        assert_eq!((runs[2].pod.as_str(), runs[2].torn.len()), ("a", 1));
        assert!(shared(&runs).is_empty());
    }
}
