//! `cairn check FILE`: whether admission would accept the pods and pools of manifests, with the same messages. It works
//! offline: what only the cluster knows is a note and never a refusal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use cairn_core::pool::{Pool, PoolName};
use cairn_core::suggest;
use cairn_kit::exit::Exit;

use super::count;
use super::verdict::{self, Examined, Verdict};
use crate::args::check::Variables;
use crate::inject::known::Known;
use crate::inject::template;
use crate::manifest::file::{documents, shown};
use crate::report::Report;

/// What is known without a cluster.
struct Offline<'a> {
    pools: BTreeSet<PoolName>,
    admission: Known,
    /// The namespace of objects that do not say theirs.
    namespace: &'a str,
}

/// Runs the command.
pub fn run(paths: &[PathBuf], namespace: Option<&str>) -> Report {
    let mut report = Report::default();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        match documents(path) {
            Ok(documents) => files.push((shown(path), documents)),
            Err(error) => {
                report.errors.push(error.to_string());
                report.exit = Exit::Usage;
            }
        }
    }
    let files: Vec<(&str, Vec<Examined<'_>>)> = files
        .iter()
        .map(|(file, documents)| (&**file, documents.iter().flat_map(verdict::examine).collect()))
        .collect();
    let offline = Offline::new(files.iter().flat_map(|(_, objects)| objects), namespace);
    for (file, objects) in &files {
        if objects.is_empty() {
            line(&mut report.text, format_args!("{file}: no pods and no pools"));
        }
        for examined in objects {
            let subject = &examined.subject;
            match offline.judge(examined) {
                Ok((fine, notes)) => {
                    line(&mut report.text, format_args!("{file}: {subject}: fine, {fine}"));
                    for note in notes {
                        line(&mut report.text, format_args!("{file}: {subject}: note: {note}"));
                    }
                }
                Err(message) => {
                    line(&mut report.text, format_args!("{file}: {subject}: refused: {message}"));
                    report.exit = report.exit.max(Exit::Failed);
                }
            }
        }
    }
    report
}

// === impl Offline ===

impl<'a> Offline<'a> {
    /// The built-in pools and those of the files.
    fn new<'f, 'd: 'f>(
        objects: impl Iterator<Item = &'f Examined<'d>>,
        namespace: Option<&'a str>,
    ) -> Self {
        let given = objects.filter_map(|examined| match &examined.verdict {
            Verdict::Pool(pool) => Some(Pool::clone(pool)),
            _ => None,
        });
        let given: Vec<Pool> = given.collect();
        let names = given.iter().map(|pool| pool.name.clone());
        let pools = Pool::builtin_names().into_iter().chain(names).collect();
        let given = given.into_iter().map(|pool| (pool.name.to_string(), Ok(pool)));
        // Variables may come from files in a cluster that is not known.
        let admission = Known::new(given, Variables::File);
        let namespace = namespace.filter(|name| !name.is_empty()).unwrap_or("default");
        Self { pools, admission, namespace }
    }

    /// Why something is fine, and notes about it; or why it is refused.
    fn judge(&self, examined: &Examined<'_>) -> Result<(String, Vec<String>), String> {
        match &examined.verdict {
            Verdict::Refused(message) => Err(message.clone()),
            Verdict::Pool(pool) => Ok((count::of(pool.names.len(), "name"), Vec::new())),
            Verdict::Nothing => Ok(("asks for no name".to_owned(), Vec::new())),
            Verdict::Asks(pools, coordination) => {
                let unknown = pools.iter().filter(|pool| !self.pools.contains(*pool));
                let mut notes: Vec<String> = unknown.map(|pool| self.unknown(pool)).collect();
                // The rules for a pod depend on its pools.
                if notes.is_empty() {
                    let facts = self.admission.facts(self.namespace);
                    notes = template::admit(examined.object, &facts)?;
                }
                let from: Vec<&str> = pools.iter().map(PoolName::as_str).collect();
                let from = (!from.is_empty()).then(|| format!("claims from {}", from.join(", ")));
                let with = coordination.as_ref().map(|with| format!("coordinates {with}"));
                let asks: Vec<String> = from.into_iter().chain(with).collect();
                Ok((asks.join(" and "), notes))
            }
        }
    }

    fn unknown(&self, pool: &PoolName) -> String {
        match suggest::nearest(pool.as_str(), self.pools.iter().map(PoolName::as_str)) {
            Some(near) => {
                format!(
                    "pool '{pool}' is neither built in nor in these files; did you mean '{near}'?"
                )
            }
            None => format!(
                "pool '{pool}' is neither built in nor in these files; it has to exist in the cluster"
            ),
        }
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{words}");
}
