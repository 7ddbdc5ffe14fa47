//! The certificates with which pods, members and the webhook reach etcd are replaced while pods hold claims.

use std::collections::BTreeSet;

use cairn_e2e::app::App;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::install::{NAMESPACE, WEBHOOK};
use cairn_e2e::ns::{Namespace, alone};
use cairn_e2e::runs::{self, PRINTS};
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::webhook::Webhook;
use cairn_e2e::{Done, Failure, json};

#[test]
fn certificates_of_pods_issuers_and_members_are_replaced_under_load_and_no_claim_is_lost() -> Done {
    alone("enrol-rotation", |ns| {
        let names = App::claiming("names", "mountains").replicas(3).deploy(ns)?;
        let ids = App::claiming("ids", "snowflake").script(PRINTS).replicas(3).deploy(ns)?;
        let pods: Vec<_> = names.iter().chain(&ids).cloned().collect();
        let state = || -> Result<Vec<_>, Failure> {
            pods.iter()
                .map(|pod| Ok((pod.container("app")?, pod.file("name")?, pod.file("fence")?)))
                .collect()
        };
        let before = state()?;
        let issuers = Issuers::of(ns);
        let compressed = Compressed::start(&ns.cluster)?;
        let mut seen = BTreeSet::from([issuers.now()?]);
        let mut round = 0;
        until("four generations of issuers, with pods that come and go", secs(300), || {
            assert_eq!(state()?, before, "an app was restarted, or a claim has changed");
            let pod = App::claiming(&format!("guest-{round}"), "mountains").deploy(ns)?.remove(0);
            pod.claimed("mountains")?;
            pod.delete()?;
            round += 1;
            seen.insert(issuers.now()?);
            Ok(if seen.len() >= 5 {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{}", seen.len()))
            })
        })?;
        println!("{} generations of issuers, {round} pods came and went", seen.len());
        compressed.end()?;
        assert_eq!(state()?, before, "an app was restarted, or a claim has changed");
        assert_eq!(runs::shared(&runs::of(ns)?), Vec::<String>::new());
        for pod in &pods {
            let claim = pod.claim()?;
            assert_eq!(json::text(&claim, "/state").as_deref(), Some("held"), "{claim}");
        }
        Ok(())
    })
}

/// The issuers of etcd's certificates, as the Secret has them.
struct Issuers<'a>(&'a Namespace);

impl<'a> Issuers<'a> {
    fn of(ns: &'a Namespace) -> Self {
        Self(ns)
    }

    fn now(&self) -> Result<String, Failure> {
        let secret = self.0.cluster.get(&["-n", NAMESPACE, "secret", "cairn-etcd-ca"])?;
        Ok(secret.pointer("/data").map(ToString::to_string).unwrap_or_default())
    }
}

/// The lives of all certificates are shortened to half a minute. They are long again when this ends or is dropped.
struct Compressed(Option<Cluster>);

impl Compressed {
    fn start(cluster: &Cluster) -> Result<Self, Failure> {
        let compressed = Self(Some(cluster.clone()));
        set_lives(
            cluster,
            &[
                "CAIRN_CERTIFICATE_LIFE=20s",
                "CAIRN_ETCD_ISSUER_LIFE=36s",
                "CAIRN_ETCD_LEAF_LIFE=24s",
            ],
        )?;
        Ok(compressed)
    }

    fn end(mut self) -> Done {
        self.0.take().map_or(Ok(()), |cluster| usual_lives(&cluster))
    }
}

impl Drop for Compressed {
    fn drop(&mut self) {
        // The next test needs certificates that last.
        if let Some(Err(failure)) = self.0.take().map(|cluster| usual_lives(&cluster)) {
            eprintln!("cannot restore the lives of certificates: {failure:?}");
        }
    }
}

fn usual_lives(cluster: &Cluster) -> Done {
    set_lives(
        cluster,
        &["CAIRN_CERTIFICATE_LIFE-", "CAIRN_ETCD_ISSUER_LIFE-", "CAIRN_ETCD_LEAF_LIFE-"],
    )
}

fn set_lives(cluster: &Cluster, variables: &[&str]) -> Done {
    let deployment = format!("deployment/{WEBHOOK}");
    let set = ["-n", NAMESPACE, "set", "env", &deployment];
    cluster.kubectl(&[&set[..], variables].concat())?.ok()?;
    let wait = ["-n", NAMESPACE, "rollout", "status", &deployment, "--timeout=120s"];
    cluster.kubectl(&wait)?.ok()?;
    Webhook::of(cluster).answers()
}
