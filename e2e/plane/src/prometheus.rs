//! A real Prometheus on loopback with the chart's alert rules.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::failure::Failure;
use crate::http::{escape, get};
use crate::process::{Process, free_port, repository, tool};

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    port: u16,
    _dir: TempDir,
}

// === impl Prometheus ===

impl Prometheus {
    /// Starts one that scrapes these jobs, each with its ports, every second.
    pub fn start(jobs: &[(&str, &[u16])]) -> Result<Self, Failure> {
        let dir = TempDir::new().map_err(Failure::io("make a folder"))?;
        let rules = repository().join("charts/cairn/files/alerts.yaml");
        let mut config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n",
            rules.display()
        );
        for (job, ports) in jobs {
            let targets: Vec<String> =
                ports.iter().map(|port| format!("'127.0.0.1:{port}'")).collect();
            let _ = writeln!(
                config,
                "- {{job_name: {job}, static_configs: [{{targets: [{}]}}]}}",
                targets.join(", ")
            );
        }
        let file = dir.path().join("prometheus.yaml");
        fs::write(&file, config).map_err(Failure::io("write Prometheus' configuration"))?;
        let port = free_port()?;
        let mut command = Command::new(tool("prometheus", "e2e/prometheus/build")?);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut process = Process::start(&mut command, dir.path().join("log"))?;
        process.wait("the start of Prometheus", || get(port, "/-/ready").is_some())?;
        Ok(Self { process, port, _dir: dir })
    }

    /// The result of a query at this moment. The error is Prometheus' own message.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, Failure> {
        let answer = self.ask("query", expression)?;
        Ok(answer.pointer("/data/result").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// The syntax tree of an expression.
    pub fn parse(&self, expression: &str) -> Result<Value, Failure> {
        Ok(self.ask("parse_query", expression)?.get("data").cloned().unwrap_or_default())
    }

    /// All rules, with their state.
    pub fn rules(&self) -> Vec<Value> {
        let answer = get(self.port, "/api/v1/rules").unwrap_or_default();
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let groups = answer.pointer("/data/groups").and_then(Value::as_array).cloned();
        let rules = |group: Value| group.get("rules").and_then(Value::as_array).cloned();
        groups.unwrap_or_default().into_iter().filter_map(rules).flatten().collect()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn ask(&self, what: &str, expression: &str) -> Result<Value, Failure> {
        let path = format!("/api/v1/{what}?query={}", escape(expression));
        let answer = get(self.port, &path).and_then(|body| serde_json::from_str(&body).ok());
        answer.ok_or_else(|| Failure::Program {
            program: format!("the query {expression}"),
            message: "Prometheus refused it".to_owned(),
        })
    }
}
