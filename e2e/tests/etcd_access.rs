//! Who reaches the bundled etcd, and what happens to the Secret with its authorities.

use std::path::Path;
use std::process::Command;

use cairn_e2e::access::Access;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::etcd::{etcdctl_at, url};
use cairn_e2e::install::NAMESPACE;
use cairn_e2e::ns::within;
use cairn_e2e::run::run;
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json};
use serde_json::Value;
use tempfile::TempDir;

const MEMBER: &str = "cairn-etcd-0";
const SECRET: &str = "cairn-etcd-ca";

#[test]
fn nobody_reaches_etcd_without_a_certificate_of_its_authority() -> Done {
    within("access", |ns| {
        let cluster = &ns.cluster;
        let secure = url(cluster, MEMBER)?;
        let ours = Access::of(cluster)?.etcdctl_flags();
        assert!(answers(cluster, &secure, &ours)?, "an administrator is refused");

        let ca_only = ours.get(..1).unwrap_or_default();
        assert!(!answers(cluster, &secure, ca_only)?, "somebody without a certificate is let in");
        let plain = secure.replace("https://", "http://");
        assert!(!answers(cluster, &plain, &[])?, "etcd answers without TLS");

        let dir = folder()?;
        let foreign = foreign(dir.path(), &ours)?;
        assert!(!answers(cluster, &secure, &foreign)?, "a certificate of somebody else is let in");

        let short = folder()?;
        let ending = Access::ask(cluster, short.path(), "5s")?.etcdctl_flags();
        assert!(answers(cluster, &secure, &ending)?, "a short certificate is refused");
        until("a certificate that has ended is refused", secs(30), || {
            Ok(if answers(cluster, &secure, &ending)? {
                Seen::NotYet("it is let in".to_owned())
            } else {
                Seen::Yes(())
            })
        })
    })
}

#[test]
fn the_secret_with_the_authorities_is_written_back_when_it_is_deleted_or_broken() -> Done {
    within("authorities", |ns| {
        let cluster = &ns.cluster;
        let before = authorities(cluster)?;
        let kubectl = |args: &[&str]| cluster.kubectl(&[&["-n", NAMESPACE], args].concat())?.ok();
        kubectl(&["delete", "secret", SECRET])?;
        restored(cluster, &before)?;
        let broken = r#"{"data":{"members-root.key":"bm8=","clients-issuer.crt":null}}"#;
        kubectl(&["patch", "secret", SECRET, "--type=merge", "-p", broken])?;
        restored(cluster, &before)
    })
}

fn answers(cluster: &Cluster, url: &str, access: &[String]) -> Result<bool, Failure> {
    let get = ["get", "k", "--command-timeout=5s", "--dial-timeout=3s"];
    let output = etcdctl_at(cluster, url, access, &get)?;
    Ok(output.code == Some(0))
}

/// A certificate of the same user, signed by somebody else.
fn foreign(dir: &Path, ours: &[String]) -> Result<Vec<String>, Failure> {
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let (certificate, key) = (path("tls.crt"), path("tls.key"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-nodes", "-subj", "/CN=root", "-days", "1", "-out", &certificate]);
    run(openssl.args(["-keyout", &key]), None)?.ok()?;
    let ca = ours.first().cloned().unwrap_or_default();
    Ok(vec![ca, format!("--cert={certificate}"), format!("--key={key}")])
}

fn authorities(cluster: &Cluster) -> Result<Value, Failure> {
    let secret = cluster.get(&["-n", NAMESPACE, "secret", SECRET])?;
    let roots = ["clients-root.crt", "members-root.crt", "members-root.key"];
    let entries = roots.map(|entry| json::text(&secret, &format!("/data/{entry}")));
    Ok(serde_json::json!(entries))
}

fn restored(cluster: &Cluster, before: &Value) -> Done {
    until("the former authorities are written back", secs(30), || {
        let now = authorities(cluster)?;
        Ok(if now == *before { Seen::Yes(()) } else { Seen::NotYet("others".to_owned()) })
    })
}

fn folder() -> Result<TempDir, Failure> {
    TempDir::new().map_err(|source| Failure::File { path: "a temporary folder".into(), source })
}
