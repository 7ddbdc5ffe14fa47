//! `cairn inject`: prints manifests as admission would change their pods, without a cluster. The code is the webhook's.
//!
//! What it does not know of a cluster comes from flags: pools, the sidecar's image, the agent. Comments of the files
//! are lost, and keys are sorted.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cairn_core::pool::Pool;
use cairn_kit::exit::Exit;
use cairn_webhook::certs::certificate::Certificate;
use cairn_webhook::pools::resource;
use serde_json::Value;

use crate::args::check::InjectArgs;
use crate::manifest::file::{self, FileError};
use crate::report::Report;
use crate::yaml;
use known::Known;

pub mod known;
pub mod template;

/// Runs the command.
pub fn run(args: &InjectArgs) -> Report {
    let mut report = Report::default();
    let mut files = Vec::new();
    let mut pools = Vec::new();
    for (path, is_printed) in args.all_files() {
        match file::documents(path) {
            Ok(documents) => {
                pools.extend(documents.iter().flat_map(pools_in));
                if is_printed {
                    files.push((file::shown(path), documents));
                }
            }
            Err(error) => fail(&mut report, &error),
        }
    }
    let known = match args.known(pools) {
        Ok(known) => known,
        Err(error) => {
            fail(&mut report, &error);
            return report;
        }
    };
    let namespace = args.namespace.as_deref().filter(|text| !text.is_empty()).unwrap_or("default");
    for (file, documents) in &mut files {
        for (index, document) in documents.iter_mut().enumerate() {
            let place = format!("{file}, document {}", index + 1);
            match template::inject(document, &known.facts(namespace)) {
                Ok(warnings) => {
                    let warnings = warnings.iter().map(|text| format!("{place}, warning: {text}"));
                    report.errors.extend(warnings);
                }
                Err(refused) => {
                    report.errors.push(format!("{place}, {refused}"));
                    report.exit = report.exit.max(Exit::Failed);
                }
            }
        }
    }
    // Half of a file is worse than none: what is printed is perhaps applied.
    if report.exit == Exit::Clean {
        let documents = files.iter().flat_map(|(_, documents)| documents);
        let documents: Vec<String> = documents.map(yaml::print).collect();
        report.text = documents.join("---\n");
    }
    report
}

fn fail(report: &mut Report, error: &FileError) {
    report.errors.push(error.to_string());
    report.exit = Exit::Usage;
}

fn pools_in(document: &Value) -> Vec<(String, Result<Pool, String>)> {
    let text =
        |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match text("/kind") {
        "List" | "PoolList" => {
            let items = document.get("items").and_then(Value::as_array);
            items.into_iter().flatten().flat_map(pools_in).collect()
        }
        "Pool" if text("/apiVersion").starts_with("cairn.dev/") => {
            let name = text("/metadata/name").to_owned();
            let spec = document.get("spec").cloned().unwrap_or_default();
            let pool = resource::check(&name, &spec);
            vec![(name, pool)]
        }
        _ => Vec::new(),
    }
}

// === impl InjectArgs ===

impl InjectArgs {
    /// All files that are read, and whether each is printed.
    fn all_files(&self) -> impl Iterator<Item = (&PathBuf, bool)> {
        let printed = self.files.iter().chain(&self.more).map(|path| (path, true));
        printed.chain(self.pools.iter().map(|path| (path, false)))
    }

    /// What the flags say of a cluster.
    fn known(&self, pools: Vec<(String, Result<Pool, String>)>) -> Result<Known, FileError> {
        let authorities = self.agent_ca.as_deref().map(authorities).transpose()?;
        let mut known = Known::new(pools, self.env_mode);
        let settings = &mut known.settings;
        settings.image.clone_from(&self.sidecar_image);
        settings.agent.clone_from(&self.agent);
        settings.dns = Known::dns(&self.agent);
        known.agent_ca = authorities.unwrap_or_default();
        Ok(known)
    }
}

/// The sidecar's argument with these authorities.
fn authorities(file: &Path) -> Result<String, FileError> {
    let name = file.display().to_string();
    let pem =
        std::fs::read(file).map_err(|source| FileError::Read { file: name.clone(), source })?;
    let all: Vec<String> =
        Certificate::all(&pem).iter().map(|one| STANDARD.encode(one.der())).collect();
    if all.is_empty() { Err(FileError::NoCertificate { file: name }) } else { Ok(all.join(",")) }
}
