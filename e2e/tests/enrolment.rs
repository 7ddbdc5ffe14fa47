//! Who gets access to etcd, and how far it goes.

use std::fs;
use std::process::Command;

use cairn_e2e::app::App;
use cairn_e2e::enrolment::{Enroller, token_of};
use cairn_e2e::etcd::Etcd;
use cairn_e2e::node::Process;
use cairn_e2e::ns::{alone, in_situation, within};
use cairn_e2e::pod::Pod;
use cairn_e2e::run::run;
use cairn_e2e::wait::{Seen, secs, throughout, until};
use cairn_e2e::webhook::AWAY;
use cairn_e2e::{Done, Failure, json};

const HELPER: &str = env!("CARGO_BIN_EXE_cairn-enrol");

#[test]
fn a_pod_gets_access_to_the_keys_of_its_own_namespace_whatever_its_request_names() -> Done {
    within("enrol-own", |ns| {
        within("enrol-other", |other| {
            let pod = App::claiming("app", "mountains").deploy(ns)?.remove(0);
            let victim = App::claiming("app", "mountains").deploy(other)?.remove(0);
            let access = Enroller::of(&ns.cluster, HELPER)?.enrol(&token_of(&pod)?)?.given()?;
            let own = format!("/cairn/v1/ns/{}/c/mountains/app/", ns.name);
            let theirs = format!("/cairn/v1/ns/{}/c/mountains/app/", other.name);
            let slot = format!("{theirs}s/{}", victim.file("name")?);

            assert!(access.etcdctl(&["get", "--prefix", &own])?.ok()?.contains("/s/"));
            access.etcdctl(&["put", &format!("{own}h/test"), "x"])?.ok()?;
            let denied: [&[&str]; 7] = [
                &["get", "--prefix", &theirs],
                &["del", &slot],
                &["put", &slot, "mine"],
                &["put", "/cairn/v1/pools/mountains", "{}"],
                &["put", "/cairn/v1/epoch", "1"],
                &["user", "list"],
                &["auth", "disable"],
            ];
            for command in denied {
                let output = access.etcdctl(command)?;
                assert!(output.stderr.contains("permission denied"), "{command:?}: {output:?}");
            }
            assert!(Etcd::of(&ns.cluster).is_held_by(&slot, &victim)?);
            Ok(())
        })
    })
}

#[test]
fn records_that_name_a_pod_of_another_namespace_do_not_reach_its_annotations() -> Done {
    within("enrol-lies", |ns| {
        within("enrol-lied", |other| {
            let pod = App::claiming("app", "mountains").deploy(ns)?.remove(0);
            let victim = App::claiming("app", "mountains").deploy(other)?.remove(0);
            victim.claimed("mountains")?;
            let before = victim.object()?;
            let uid = json::text(&before, "/metadata/uid").unwrap_or_default();
            let access = Enroller::of(&ns.cluster, HELPER)?.enrol(&token_of(&pod)?)?.given()?;
            let root = format!("/cairn/v1/ns/{}", ns.name);
            // The record of the thief's own claim, with the victim in the thief's place.
            let own = format!("{root}/c/mountains/app/s/{}", pod.file("name")?);
            let record = Etcd::of(&ns.cluster).value(&own)?.unwrap_or_default();
            let own_uid = json::text(&pod.object()?, "/metadata/uid").unwrap_or_default();
            let lie = record
                .replace(&own_uid, &uid)
                .replace(&pod.name, &victim.name)
                .replace(&ns.name, &other.name);
            assert_ne!(lie, record);
            let slot = format!("{root}/c/mountains/app/s/Foraker");
            let owner = format!("{root}/o/{uid}/mountains");
            let value = format!(r#"{{"slot":"{slot}","nonce":"lie"}}"#);
            access.put_all(&[(&slot, &lie), (&owner, &value)])?.ok()?;
            let theirs = format!("/cairn/v1/ns/{}/o/{uid}/mountains", other.name);
            let denied = access.put_all(&[(&slot, &lie), (&theirs, &value)])?;
            assert!(denied.stderr.contains("permission denied"), "{denied:?}");
            // A pod that claims later is annotated, so the mirror has seen what was put before.
            App::claiming("later", "mountains").deploy(ns)?.remove(0).claimed("mountains")?;
            let after = victim.object()?;
            let annotations =
                |object: &serde_json::Value| object.pointer("/metadata/annotations").cloned();
            assert_eq!(annotations(&after), annotations(&before));
            access.etcdctl(&["del", &slot])?.ok()?;
            access.etcdctl(&["del", &owner])?.ok().map(drop)
        })
    })
}

#[test]
fn tokens_that_are_forged_expired_or_meant_for_others_give_no_access() -> Done {
    within("enrol-tokens", |ns| {
        let pod = App::claiming("app", "mountains").deploy(ns)?.remove(0);
        let enroller = Enroller::of(&ns.cluster, HELPER)?;
        let good = token_of(&pod)?;
        enroller.enrol(&good)?.given()?;
        let account = |more: &[&str]| {
            ns.kubectl(&[&["create", "token", "default"], more].concat())
                .map(|t| t.trim().to_owned())
        };
        let unbound = account(&["--audience=cairn.dev"])?;
        let of_api = {
            let name = format!("--bound-object-name={}", pod.name);
            account(&["--bound-object-kind=Pod", &name])?
        };
        let minter = Minter::of(&pod);
        let expired =
            minter.sign(&good, "exp", &(jiff::Timestamp::now().as_second() - 60).to_string())?;
        let issuer = minter.sign(&good, "iss", "\"https://another.example\"")?;
        for (kind, token) in [
            ("forged", forged(&good)),
            ("for another audience", of_api),
            ("not bound to a pod", unbound),
            ("expired", expired),
            ("of another issuer", issuer),
            ("no token", String::new()),
            ("no JWT", "abc".to_owned()),
        ] {
            let (code, message) = enroller.enrol(&token)?.refused()?;
            assert_eq!(code, "Unauthenticated", "{kind}: {message}");
            println!("{kind}: {message}");
        }
        // The same hand signs a good one, so that the refusals are not about the signature.
        let life = (jiff::Timestamp::now().as_second() + 600).to_string();
        enroller.enrol(&minter.sign(&good, "exp", &life)?)?.given()?;

        pod.delete()?;
        until("the token of the deleted pod is refused", secs(60), || {
            Ok(match enroller.enrol(&good)?.refused() {
                Ok((code, message)) => {
                    assert_eq!(code, "Unauthenticated", "{message}");
                    Seen::Yes(())
                }
                Err(_) => Seen::NotYet("access is given".to_owned()),
            })
        })
    })
}

#[test]
fn a_request_that_another_pod_has_sent_gives_access_only_to_the_namespace_of_the_token() -> Done {
    within("enrol-replay", |ns| {
        within("enrol-replayed", |other| {
            let pod = App::claiming("app", "mountains").deploy(ns)?.remove(0);
            let thief = App::claiming("app", "mountains").deploy(other)?.remove(0);
            let enroller = Enroller::of(&ns.cluster, HELPER)?;
            enroller.enrol(&token_of(&pod)?)?.given()?;
            // The thief has no key for the certificate that it gets. Even with the key it would be its own user.
            let replayed = enroller.enrol(&token_of(&thief)?)?.given()?;
            let theirs = format!("/cairn/v1/ns/{}/", ns.name);
            let output = replayed.etcdctl(&["get", "--prefix", &theirs])?;
            assert!(output.stderr.contains("permission denied"), "{output:?}");
            Ok(())
        })
    })
}

#[test]
fn an_unusable_request_for_a_certificate_is_refused_with_a_sentence() -> Done {
    within("enrol-request", |ns| {
        let pod = App::claiming("app", "mountains").deploy(ns)?.remove(0);
        let enroller = Enroller::of(&ns.cluster, HELPER)?;
        let path = enroller.request();
        let good = fs::read_to_string(&path)
            .map_err(|source| Failure::File { path: path.clone(), source })?;
        // The last bytes are the signature that proves who has the key.
        let unsigned = forged_request(&good);
        for request in ["", "nonsense", &unsigned] {
            fs::write(&path, request)
                .map_err(|source| Failure::File { path: path.clone(), source })?;
            let (code, message) = enroller.enrol(&token_of(&pod)?)?.refused()?;
            assert_eq!(code, "InvalidArgument", "{message}");
            println!("{message}");
        }
        Ok(())
    })
}

#[test]
fn while_the_agent_is_away_pods_renew_and_a_restarted_sidecar_takes_its_claim_up_again() -> Done {
    in_situation(&AWAY, "enrol-away", |ns, webhook| {
        let pod = App::claiming("ids", "snowflake").deploy(ns)?.remove(0);
        let (id, fence) = (pod.file("name")?, pod.file("fence")?);
        let (app, sidecar) = (pod.container("app")?, pod.container("cairn")?);
        webhook.begin()?;
        Process::of_container(&ns.cluster, &sidecar.id)?.signal("KILL")?;
        until("the sidecar runs again and holds the same ID", secs(40), || {
            let now = pod.container("cairn")?;
            let held = pod
                .claim()
                .is_ok_and(|claim| json::text(&claim, "/state").as_deref() == Some("held"));
            let up = now.restarts > sidecar.restarts && now.started_at.is_some() && held;
            Ok(if up { Seen::Yes(()) } else { Seen::NotYet(format!("{now:?}")) })
        })?;
        // Longer than a lease: its renewals are what keeps the claim.
        throughout(secs(70), || {
            assert_eq!(pod.container("app")?, app, "the app was restarted");
            assert_eq!((pod.file("name")?, pod.file("fence")?), (id.clone(), fence.clone()));
            Ok(())
        })?;
        let claim = pod.claim()?;
        assert_eq!(json::text(&claim, "/state").as_deref(), Some("held"), "{claim}");
        webhook.end()
    })
}

#[test]
fn a_pod_that_enrols_while_the_api_server_restarts_gets_its_access_afterwards_and_keeps_its_claim()
-> Done {
    alone("no-api", |ns| {
        let [ids, names] = [("ids", "snowflake"), ("names", "mountains")]
            .map(|(app, pool)| App::claiming(app, pool).deploy(ns));
        let pods = [ids?.remove(0), names?.remove(0)];
        let state = |pod: &Pod<'_>| -> Result<_, Failure> {
            Ok((pod.container("app")?, pod.file("name")?, pod.file("fence")?))
        };
        let before: Vec<_> = pods.iter().map(state).collect::<Result<_, _>>()?;
        let sidecars: Vec<_> =
            pods.iter().map(|pod| pod.container("cairn")).collect::<Result<_, _>>()?;

        let away = ns.cluster.without_api()?;
        for sidecar in &sidecars {
            // Without what it has kept, it has to enrol before it can renew.
            let process = Process::of_container(&ns.cluster, &sidecar.id)?;
            let kept = "/var/run/cairn-credentials/credentials.json";
            let kept = format!("/proc/{}/root{kept}", process.pid);
            ns.cluster.node(&["rm", &kept])?.ok()?;
            process.signal("KILL")?;
        }
        for pod in &pods {
            until("the sidecar says why it has no access", secs(30), || {
                let text = logged(pod, "could not ask the API server whose token it is")?;
                Ok(if text.is_empty() { Seen::NotYet("nothing".to_owned()) } else { Seen::Yes(()) })
            })?;
        }
        away.end()?;

        for ((pod, sidecar), before) in pods.iter().zip(&sidecars).zip(before) {
            until("the sidecar holds its claim again", secs(30), || {
                let now = pod.container("cairn")?;
                let held = json::text(&pod.claim()?, "/state").as_deref() == Some("held");
                let again = held && now.restarts > sidecar.restarts;
                Ok(if again { Seen::Yes(()) } else { Seen::NotYet(format!("{now:?}")) })
            })?;
            assert_eq!(state(pod)?, before, "an app was restarted, or a claim has changed");
        }
        Ok(())
    })
}

/// The lines of a sidecar's logs with this text, from the node: there may be no API server to ask.
fn logged(pod: &Pod<'_>, text: &str) -> Result<String, Failure> {
    let ns = pod.namespace();
    let files = format!("/var/log/pods/{}_{}_*/cairn/*.log", ns.name, pod.name);
    ns.cluster.node(&["sh", "-c", &format!("grep -hs '{text}' {files}; true")])?.ok()
}

/// A token whose signature does not fit.
fn forged(token: &str) -> String {
    let flip = |c: char| if c == 'A' { 'B' } else { 'A' };
    let (rest, signature) = token.trim().rsplit_once('.').unwrap_or_default();
    let flipped: String =
        signature.chars().take(8).map(flip).chain(signature.chars().skip(8)).collect();
    format!("{rest}.{flipped}")
}

/// A request for a certificate whose signature does not fit: one of its last characters is another.
fn forged_request(pem: &str) -> String {
    let mut lines: Vec<String> = pem.lines().map(str::to_owned).collect();
    let last = lines.len().saturating_sub(2);
    if let Some(line) = lines.get_mut(last) {
        let flip = |c: char| if c == 'A' { 'B' } else { 'A' };
        *line = line.chars().enumerate().map(|(i, c)| if i == 2 { flip(c) } else { c }).collect();
    }
    lines.join("\n") + "\n"
}

/// Signs tokens with the key of the cluster's API server.
struct Minter {
    key: std::path::PathBuf,
}

impl Minter {
    fn of(pod: &Pod<'_>) -> Self {
        Self { key: pod.namespace().cluster.state_dir().join("pki/sa.key") }
    }

    /// The same token with another value of one claim, signed again.
    fn sign(&self, token: &str, claim: &str, value: &str) -> Result<String, Failure> {
        let script = r#"
            set -eu
            url() { base64 -w0 | tr '+/' '-_' | tr -d '='; }
            from_url() { tr -- '-_' '+/' | awk '{ while (length($0) % 4) $0 = $0 "="; print }' | base64 -d; }
            header=${1%%.*}; rest=${1#*.}; body=${rest%%.*}
            changed=$(printf %s "$body" | from_url | sed -E "s#\"$2\":(\"[^\"]*\"|[0-9]+)#\"$2\":$3#")
            input=$header.$(printf %s "$changed" | url)
            printf '%s.%s' "$input" "$(printf %s "$input" | openssl dgst -sha256 -sign "$4" | url)"
        "#;
        let mut command = Command::new("bash");
        command.args(["-c", script, "sign", token.trim(), claim, value]).arg(&self.key);
        run(&mut command, None)?.ok()
    }
}
