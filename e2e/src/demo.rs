//! The demonstration: installs Cairn, runs an app with three replicas, restarts it, and prints before and after which
//! pod has which name.

use std::fmt::Write as _;

use crate::app::{pods_of, rolled_out};
use crate::cluster::Cluster;
use crate::ns::Namespace;
use crate::pod::Pod;
use crate::progress::Progress;
use crate::{Done, Failure, install, paths};

const NAMESPACE: &str = "shop";
const APP: &str = "checkout";
const REPLICAS: usize = 3;
const EXAMPLE: &str = "deploy/examples/statsd.yaml";

const HEAD: [&str; 5] = ["POD", "ANNOTATION", "FILE", "ENVIRONMENT VARIABLE", "PREFIX"];

/// Runs the demonstration on the cluster of that name, which must be up and have the images.
pub fn show(name: &str) -> Done {
    let progress = Progress::start();
    let cluster = Cluster::named(name);
    progress.say("helm upgrade --install cairn charts/cairn --wait");
    install::install(&cluster)?;
    progress.say(&format!(
        "namespace {NAMESPACE}, which enforces the Pod Security standard 'restricted'"
    ));
    let ns = Namespace::kept(&cluster, NAMESPACE)?;
    progress.say(&format!("kubectl apply -f {EXAMPLE}"));
    let example = paths::repository().join(EXAMPLE);
    ns.kubectl(&["apply", "-f", &example.to_string_lossy()])?;
    rolled_out(&ns, APP)?;
    progress.say("every pod is ready");
    println!("\n{}", table(&ns)?);
    progress.say(&format!("kubectl rollout restart deployment/{APP}"));
    ns.kubectl(&["rollout", "restart", &format!("deployment/{APP}")])?;
    rolled_out(&ns, APP)?;
    progress.say("every pod was replaced; the names come from the same few");
    println!("\n{}", table(&ns)?);
    progress.say("done");
    println!("{}", farewell(name));
    Ok(())
}

/// One line per pod. Each value is read from where it is published.
fn table(ns: &Namespace) -> Result<String, Failure> {
    let mut rows = vec![HEAD.map(str::to_owned)];
    for pod in pods_of(ns, APP, REPLICAS)? {
        rows.push(row(&pod)?);
    }
    Ok(lay_out(&rows))
}

fn row(pod: &Pod<'_>) -> Result<[String; 5], Failure> {
    let environment = pod.environment()?;
    let variable = |key: &str| environment.get(key).cloned().unwrap_or_default();
    Ok([
        pod.name.clone(),
        pod.claimed("mountains")?,
        pod.file("name")?,
        variable("CAIRN_NAME"),
        variable("CAIRN_PREFIX"),
    ])
}

fn lay_out(rows: &[[String; 5]]) -> String {
    let mut widths = [0; 5];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        for (width, cell) in widths.iter().zip(row) {
            // Writing to a string cannot fail.
            let _ = write!(text, "  {cell:width$}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn farewell(name: &str) -> String {
    format!(
        "Look around:\n  \
         e2e/cluster/cluster kubectl {name} -n {NAMESPACE} get pods\n  \
         e2e/cluster/cluster kubectl {name} -n {NAMESPACE} exec deploy/{APP} -- cat /var/run/cairn/claim.json\n  \
         e2e/cluster/cluster kubectl {name} get pools\n\
         Take it down:\n  \
         e2e/cluster/cluster down {name}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let row = |cells: [&str; 5]| cells.map(str::to_owned);
        let rows = [row(["POD", "A", "B", "C", "D"]), row(["checkout-1", "x", "y", "z", "w"])];
        assert_eq!(lay_out(&rows), "  POD         A  B  C  D\n  checkout-1  x  y  z  w\n");
    }
}
