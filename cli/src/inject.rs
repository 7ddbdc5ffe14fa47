//! `cairn inject`: prints manifests as admission would change their pods, without a cluster. The code is the webhook's.
//!
//! What it does not know of a cluster comes from flags: pools, the sidecar's image, the agent. Comments of the files
//! are lost, and keys are sorted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cairn_core::pool::Pool;
use cairn_kit::clock;
use cairn_kit::exit::Exit;
use cairn_kit::log::LogFilter;
use cairn_store::KeyPrefix;
use cairn_webhook::admission::inject::Facts;
use cairn_webhook::admission::settings::{DnsNeed, Settings};
use cairn_webhook::certs::certificate::Certificate;
use cairn_webhook::env_mode::{EnvFacts, EnvMode, FileSupport};
use cairn_webhook::namespaces::NamespaceFacts;
use cairn_webhook::pools::catalog::{Catalog, CatalogEntry};
use cairn_webhook::pools::resource;
use serde_json::Value;
use uuid::Uuid;

use crate::args::check::{InjectArgs, Variables};
use crate::check::files::{self, FileError};
use crate::report::Report;
use crate::yaml;

pub mod template;

/// The ports of agent and etcd, which a mesh must leave alone.
const OUTBOUND: [u16; 2] = [8443, 2379];
/// The usual domain of a cluster's DNS.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// What admission knows, without a cluster.
struct Known {
    settings: Settings,
    catalog: Catalog,
    namespace: NamespaceFacts,
    env: EnvFacts,
    probe_token: String,
}

/// Runs the command.
pub fn run(args: &InjectArgs) -> Report {
    let mut report = Report::default();
    let mut files = Vec::new();
    let mut pools = Vec::new();
    for (path, is_printed) in args.all_files() {
        match files::documents(path) {
            Ok(documents) => {
                pools.extend(documents.iter().flat_map(pools_in));
                if is_printed {
                    files.push((files::shown(path), documents));
                }
            }
            Err(error) => fail(&mut report, &error),
        }
    }
    let known = match Known::new(args, pools) {
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
        let printed = self.files.iter().map(|path| (path, true));
        printed.chain(self.pools.iter().map(|path| (path, false)))
    }
}

// === impl Known ===

impl Known {
    fn new(
        args: &InjectArgs,
        given: Vec<(String, Result<Pool, String>)>,
    ) -> Result<Self, FileError> {
        let builtin = Pool::builtin_names().into_iter().filter_map(|name| Pool::builtin(&name));
        let builtin = builtin.map(|pool| (pool.name.clone(), CatalogEntry::Ready(Arc::new(pool))));
        let given = given.into_iter().filter_map(|(name, pool)| {
            let entry = match pool {
                Ok(pool) => CatalogEntry::Ready(Arc::new(pool)),
                Err(reason) => CatalogEntry::Broken(reason),
            };
            Some((name.parse().ok()?, entry))
        });
        let mode = match args.env_mode {
            Variables::File => EnvMode::File,
            Variables::Annotation => EnvMode::Annotation,
            Variables::None => EnvMode::None,
        };
        let files = match mode {
            EnvMode::File => FileSupport::Assumed,
            EnvMode::Annotation | EnvMode::None => FileSupport::Refused,
        };
        Ok(Self {
            settings: Settings {
                image: args.sidecar_image.clone(),
                pull_policy: Some("IfNotPresent".to_owned()),
                agent: args.agent.clone(),
                agent_ca: args
                    .agent_ca
                    .as_deref()
                    .map(authorities)
                    .transpose()?
                    .unwrap_or_default(),
                outbound_ports: OUTBOUND.to_vec(),
                etcd_cluster_id: None,
                etcd_prefix: KeyPrefix::default(),
                log_level: LogFilter::default(),
                container: Arc::default(),
                dns: DnsNeed::of([&*args.agent], CLUSTER_DOMAIN),
            },
            catalog: builtin.chain(given).collect(),
            namespace: NamespaceFacts::default(),
            env: EnvFacts { default: Some(mode), files, nodes: Arc::default() },
            probe_token: Uuid::new_v4().simple().to_string(),
        })
    }

    fn facts<'a>(&'a self, namespace: &'a str) -> Facts<'a> {
        Facts {
            settings: &self.settings,
            catalog: &self.catalog,
            namespace,
            namespace_facts: &self.namespace,
            env: &self.env,
            probe_token: &self.probe_token,
            now: clock::now().wall,
        }
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
