//! `make bench-enrol`: what enrolment costs on a real cluster with Cairn installed.
//!
//! Prints how long one enrolment takes when nothing else enrols, how many the agent answers a second, and how many
//! reviews of tokens the API server did for them.

use std::process::ExitCode;

use cairn_e2e::app::App;
use cairn_e2e::clock::Moment;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::enrolment::{Enroller, token_of};
use cairn_e2e::ns::within;
use cairn_e2e::{Done, Failure};

/// Enrolments one after the other, and in parallel.
const ALONE: u32 = 200;
const TOGETHER: u32 = 1000;
const PARALLEL: u32 = 16;
/// A rollout in one namespace: pods that start together.
const PODS: u32 = 30;

fn main() -> ExitCode {
    match within("bench-enrol", |ns| {
        let pod = App::claiming("app", "mountains").deploy(ns)?.remove(0);
        let helper = helper()?;
        let enroller = Enroller::of(&ns.cluster, &helper)?;
        let token = token_of(&pod)?;
        let before = reviews(&ns.cluster)?;
        let alone = sorted(enroller.enrol_many(&token, ALONE, 1)?);
        let begun = Moment::now();
        let together = sorted(enroller.enrol_many(&token, TOGETHER, PARALLEL)?);
        let span = begun.age();
        let reviewed = reviews(&ns.cluster)? - before;
        println!("enrolments alone:        {}", percentiles(&alone));
        println!("enrolments, {PARALLEL} at once: {}", percentiles(&together));
        println!("a second:                {:.0}", f64::from(TOGETHER) / span.as_secs_f64());
        println!("token reviews:           {reviewed} for {} enrolments", ALONE + TOGETHER);
        let before = reviews(&ns.cluster)?;
        App::claiming("many", "mountains").replicas(PODS).deploy(ns)?;
        println!("token reviews of a rollout of {PODS} pods: {}", reviews(&ns.cluster)? - before);
        Done::Ok(())
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cairn-bench-enrol: {failure:?}");
            ExitCode::FAILURE
        }
    }
}

/// The program that enrols, which is built into the same folder.
fn helper() -> Result<String, Failure> {
    let own = std::env::current_exe()
        .map_err(|source| Failure::File { path: "cairn-bench-enrol".into(), source })?;
    Ok(own.with_file_name("cairn-enrol").to_string_lossy().into_owned())
}

fn sorted(mut micros: Vec<u64>) -> Vec<u64> {
    micros.sort_unstable();
    micros
}

fn percentiles(sorted: &[u64]) -> String {
    let at = |percent: usize| {
        let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        let micros = sorted.get(index).copied().unwrap_or_default();
        f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1000.0
    };
    format!("p50 {:.1} ms, p99 {:.1} ms, n {}", at(50), at(99), sorted.len())
}

/// The reviews that the API server has done since its start.
fn reviews(cluster: &Cluster) -> Result<u64, Failure> {
    let metrics = cluster.kubectl(&["get", "--raw", "/metrics"])?.ok()?;
    let counted = |line: &str| {
        line.starts_with("apiserver_request_total")
            && line.contains("resource=\"tokenreviews\"")
            && line.contains("verb=\"POST\"")
    };
    let values = metrics.lines().filter(|line| counted(line));
    Ok(values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}
