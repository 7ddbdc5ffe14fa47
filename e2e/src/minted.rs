//! The IDs that the apps of a namespace have minted: every answer of `/v1/ids` that an app printed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::wait::{Seen, secs, until};
use crate::{Done, Failure, app_log, json};

/// A shell script that mints 20 IDs a second and prints the answers.
pub const MINTS: &str = "trap 'exit 0' TERM; while :; do \
     wget -qO- --post-data= 'http://127.0.0.1:24040/v1/ids?count=20' && echo; sleep 1 & wait $!; done";

/// All IDs of a namespace so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minted {
    by_pod: BTreeMap<String, usize>,
    ids: BTreeSet<String>,
    twice: BTreeSet<String>,
}

impl Minted {
    /// The IDs that the containers `app` of this namespace have printed.
    pub fn of(cluster: &Cluster, namespace: &str) -> Result<Self, Failure> {
        Ok(parse(&app_log::read(cluster, namespace, "\"ids\"")?))
    }

    /// The number of different IDs.
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// The IDs that were minted more than once.
    pub fn twice(&self) -> &BTreeSet<String> {
        &self.twice
    }

    /// Waits until so many pods have minted more IDs than in `self`.
    pub fn all_go_on(&self, cluster: &Cluster, namespace: &str, pods: usize) -> Done {
        until(&format!("{pods} pods mint"), secs(90), || {
            let now = Self::of(cluster, namespace)?;
            let on = |(pod, count): &(&String, &usize)| {
                **count > self.by_pod.get(*pod).copied().unwrap_or(0)
            };
            let minting = now.by_pod.iter().filter(on).count();
            Ok(if minting >= pods { Seen::Yes(()) } else { Seen::NotYet(format!("{minting} do")) })
        })
    }
}

fn parse(text: &str) -> Minted {
    let mut minted = Minted::default();
    for line in app_log::lines(text) {
        let Ok(answer) = serde_json::from_str::<Value>(line.message) else { continue };
        for id in json::list(&answer, "/ids").iter().filter_map(Value::as_str) {
            *minted.by_pod.entry(line.pod.to_owned()).or_default() += 1;
            if !minted.ids.insert(id.to_owned()) {
                minted.twice.insert(id.to_owned());
            }
        }
    }
    minted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pod: &str, ids: &str) -> String {
        format!(
            "/var/log/pods/t-x_{pod}_uid/app/0.log:2026-11-26T07:41:01.5Z stdout F {{\"ids\":[{ids}]}}\n"
        )
    }

    #[test]
    fn an_id_that_two_pods_minted_is_found() {
        let text = [line("a", r#""1","2""#), line("b", r#""3","2""#), "torn".to_owned()].concat();
        let minted = parse(&text);
        assert_eq!(minted.count(), 3);
        assert_eq!(minted.twice().iter().collect::<Vec<_>>(), ["2"]);
        assert_eq!(minted.by_pod["a"], 2);
    }
}
