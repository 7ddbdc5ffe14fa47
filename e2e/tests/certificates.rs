//! The webhook's certificates are rotated, damaged and replaced by hand while pods are created. These tests change what
//! every other test needs, so each of them runs alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_e2e::admissions::{self, Admissions};
use cairn_e2e::certificates::{Certificates, Kind, SECRET, certificates};
use cairn_e2e::clock::Moment;
use cairn_e2e::issued::Issued;
use cairn_e2e::ns::{Namespace, alone};
use cairn_e2e::wait::{Seen, secs, until, until_quickly};
use cairn_e2e::webhook::{NAMESPACE, Webhook};
use cairn_e2e::{Done, Failure};
use serde_json::{Value, json as object};

/// Years and days become half minutes and seconds.
const COMPRESSED: &str = "authority=36s,leaf=12s,announce=4s,retain=12s,settle=2s,linger=20s";
const ROTATIONS: usize = 4;
/// The first rotation takes a few seconds, each further one 24.
const ROTATED: Duration = secs(180);
/// From damage to repair. A watch tells of damage, so this is far below the five minutes after which everything is
/// looked at again. It contains calls of `kubectl`, on a machine that other tests use too. The time is printed.
const REPAIRED: Duration = secs(10);
/// Authorities of [`COMPRESSED`] live for 36 seconds.
const SETTLED: Duration = secs(90);

#[test]
fn no_admission_is_refused_while_certificates_are_rotated_several_times() -> Done {
    alone("rotations", |ns| {
        let compressed =
            Webhook::of(&ns.cluster).with_variable("CAIRN_CERTIFICATE_LIVES", COMPRESSED)?;
        let certificates = Certificates::of(&ns.cluster);
        let mut seen = Vec::new();
        let ((), load) = admissions::during(ns, || {
            until(&format!("{ROTATIONS} rotations"), ROTATED, || {
                let now = Trusted::read(&certificates)?;
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
                let count = rotations(&seen);
                Ok(if count < ROTATIONS { Seen::NotYet(count.to_string()) } else { Seen::Yes(()) })
            })
        })?;
        all_admitted(&load);
        for pair in seen.windows(2) {
            let [before, after] = pair else { continue };
            if before.signer != after.signer {
                assert!(before.bundle.contains(&after.signer), "it signed before it was announced");
                assert!(after.bundle.contains(&before.signer), "it left while leaves relied on it");
            }
        }
        let [first, .., last] = seen.as_slice() else { return Err(Failure::new("no rotation")) };
        assert!(!last.bundle.contains(&first.signer), "the first authority is still trusted");
        for (certificate, life) in [("serving", 12), ("ca", 36)] {
            let ends = certificates.ends(certificate)?;
            let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
            let left = |end: &u64| *end > now && *end <= now + life;
            assert!(ends.len() == 2 && ends.iter().all(left), "{certificate}: {ends:?} at {now}");
        }
        compressed.take_back()
    })
}

#[test]
fn a_secret_that_is_deleted_or_damaged_is_restored_at_once_and_no_admission_is_refused() -> Done {
    alone("secret", |ns| {
        let certificates = Certificates::of(&ns.cluster);
        let before = settled(&certificates)?;
        let same = |what: &str, began: Moment| {
            until_quickly(what, REPAIRED, || {
                let now = certificates.secret(SECRET)?;
                let differs = |key: &&&str| now.get(**key) != before.get(**key);
                let others: Vec<_> =
                    ["ca.crt", "ca.key", "bundle.crt"].iter().filter(differs).copied().collect();
                let restored = others.is_empty();
                let found = format!("{} of {:?}", others.join(" "), now.keys());
                Ok(if restored { Seen::Yes(()) } else { Seen::NotYet(found) })
            })?;
            println!("{what}: restored within {:?}", began.age());
            Ok(())
        };
        let ((), load) = admissions::during(ns, || {
            let began = Moment::now();
            ns.cluster.kubectl(&["-n", NAMESPACE, "delete", "secret", SECRET])?.ok()?;
            same("the Secret was deleted", began)?;
            for (key, value) in [
                ("ca.key", "garbage"),
                ("ca.crt", ""),
                ("bundle.crt", ""),
                ("rotation.json", "{}"),
                ("other", "more"),
            ] {
                let began = Moment::now();
                certificates.put(SECRET, &[(key, value)])?;
                same(&format!("{key} was replaced with '{value}'"), began)?;
            }
            Ok(())
        })?;
        all_admitted(&load);
        Ok(())
    })
}

#[test]
fn a_ca_bundle_that_is_replaced_or_emptied_is_written_again_at_once() -> Done {
    alone("bundle", |ns| {
        let certificates = Certificates::of(&ns.cluster);
        let foreign = Issued::new("somebody-else", 1)?.authority;
        for kind in Kind::BOTH {
            for (what, bundle) in [("emptied", ""), ("replaced", foreign.as_str())] {
                let began = Moment::now();
                certificates.put_bundle(kind, bundle)?;
                written(&certificates, kind)?;
                println!("{kind:?}: {what}, and written within {:?}", began.age());
            }
        }
        // Every webhook is ready again, and the API server uses the new bundle.
        Webhook::of(&ns.cluster).answers()
    })
}

#[test]
fn without_one_of_the_configurations_the_other_is_kept_and_a_new_one_is_filled() -> Done {
    alone("one-kind", |ns| {
        let certificates = Certificates::of(&ns.cluster);
        let saved = certificates.configuration(Kind::Validating)?;
        certificates.delete(Kind::Validating)?;
        let outcome = certificates
            .put_bundle(Kind::Mutating, "")
            .and_then(|()| written(&certificates, Kind::Mutating));
        let began = Moment::now();
        certificates.create(&saved)?;
        outcome?;
        written(&certificates, Kind::Validating)?;
        println!("created, and filled within {:?}", began.age());
        Webhook::of(&ns.cluster).answers()
    })
}

#[test]
fn a_certificate_that_a_user_brings_is_served_and_renewed_and_a_wrong_pair_is_refused() -> Done {
    alone("own", |ns| {
        let certificates = Certificates::of(&ns.cluster);
        let name = format!("cairn-webhook.{NAMESPACE}.svc");
        let [one, wrong, two] = [100, 150, 200].map(|days| Issued::new(&name, days));
        let (one, wrong, two) = (one?, wrong?, two?);
        let secret = OwnSecret::create(ns, &one)?;
        let own =
            Webhook::of(&ns.cluster).with_variable("CAIRN_SERVING_SECRET", OwnSecret::NAME)?;
        serving(&certificates, one.ends)?;

        let ((), load) = admissions::during(ns, || {
            certificates.put(OwnSecret::NAME, &[("tls.key", &wrong.key)])?;
            let said = "its tls.key does not belong to its tls.crt; replace both together";
            until("both webhooks refuse the pair", secs(20), || {
                let selector = "app.kubernetes.io/component=webhook";
                let logs = ["-n", NAMESPACE, "logs", "-l", selector, "--tail=-1"];
                let lines = ns.cluster.kubectl(&logs)?.ok()?.matches(said).count();
                Ok(if lines >= 2 { Seen::Yes(()) } else { Seen::NotYet(lines.to_string()) })
            })?;
            serving(&certificates, one.ends)?;

            certificates.put(OwnSecret::NAME, &two.data())?;
            until("the renewed certificate is served", secs(40), || {
                let ends = certificates.ends("serving")?;
                let all = ends.len() == 2 && ends.iter().all(|end| *end == two.ends);
                Ok(if all { Seen::Yes(()) } else { Seen::NotYet(format!("{ends:?}")) })
            })
        })?;
        all_admitted(&load);
        own.take_back()?;
        drop(secret);
        written(&certificates, Kind::Mutating)
    })
}

/// The signing authority and everything that is trusted, at one time.
#[derive(Debug, PartialEq, Eq)]
struct Trusted {
    signer: String,
    bundle: BTreeSet<String>,
}

impl Trusted {
    fn read(from: &Certificates) -> Result<Self, Failure> {
        let secret = from.secret(SECRET)?;
        let text = |key: &str| secret.get(key).map(String::as_str).unwrap_or_default();
        let signer = text("ca.crt").trim().to_owned();
        Ok(Self { signer, bundle: certificates(text("bundle.crt")) })
    }
}

fn rotations(seen: &[Trusted]) -> usize {
    let changed = |pair: &&[Trusted]| matches!(pair, [a, b] if a.signer != b.signer);
    seen.windows(2).filter(changed).count()
}

#[track_caller]
fn all_admitted(load: &Admissions) {
    println!("{} pods were admitted", load.admitted);
    assert!(load.refused.is_empty(), "{:#?}", load.refused);
    assert!(load.admitted > 100, "only {} pods were admitted", load.admitted);
}

/// The Secret when one authority is all that it trusts, and no other one is about to follow. After rotations by
/// [`COMPRESSED`] lives, the last authority is near its end, and certificates end with it. Its successor comes by
/// itself.
fn settled(certificates: &Certificates) -> Result<BTreeMap<String, String>, Failure> {
    until("the Secret has one authority that lives long", SETTLED, || {
        let secret = certificates.secret(SECRET)?;
        let one = secret.get("bundle.crt") == secret.get("ca.crt");
        let (served, signers) = (certificates.ends("serving")?, certificates.ends("ca")?);
        let lives_long = served.iter().max() < signers.iter().min();
        let keys: Vec<_> = secret.keys().cloned().collect();
        let found = format!("{}, {served:?} of {signers:?}", keys.join(" "));
        Ok(if one && lives_long { Seen::Yes(secret) } else { Seen::NotYet(found) })
    })
}

/// Waits until every webhook of the configuration trusts what the Secret holds.
fn written(certificates: &Certificates, kind: Kind) -> Done {
    until_quickly(&format!("caBundle of {kind:?} is written"), REPAIRED, || {
        let trusted = Trusted::read(certificates)?.bundle;
        let bundles = certificates.bundles(kind)?;
        let complete = bundles.iter().all(|bundle| bundle.is_superset(&trusted));
        let sizes: Vec<usize> = bundles.iter().map(BTreeSet::len).collect();
        Ok(if complete { Seen::Yes(()) } else { Seen::NotYet(format!("{sizes:?}")) })
    })
}

fn serving(certificates: &Certificates, end: u64) -> Done {
    let ends = certificates.ends("serving")?;
    assert!(ends.len() == 2 && ends.iter().all(|found| *found == end), "{ends:?}, not {end}");
    Ok(())
}

/// A Secret that a user fills, and the permission to read it that the chart gives.
struct OwnSecret<'a> {
    ns: &'a Namespace,
}

impl<'a> OwnSecret<'a> {
    const NAME: &'static str = "own-certificate";

    fn create(ns: &'a Namespace, issued: &Issued) -> Result<Self, Failure> {
        let created = Self { ns };
        let metadata = object!({"name": Self::NAME, "namespace": NAMESPACE});
        let data: serde_json::Map<String, Value> =
            issued.data().iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        let rbac = "rbac.authorization.k8s.io";
        let items = object!([
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
             "type": "kubernetes.io/tls", "stringData": data},
            {"apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": metadata, "rules": [
                {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [Self::NAME],
                 "verbs": ["get", "list", "watch"]},
            ]},
            {"apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": metadata,
             "roleRef": {"apiGroup": rbac, "kind": "Role", "name": Self::NAME},
             "subjects": [{"kind": "ServiceAccount", "name": "cairn-webhook", "namespace": NAMESPACE}]},
        ]);
        let list = object!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        ns.cluster.kubectl_with(&["apply", "-f", "-"], &list)?.ok()?;
        Ok(created)
    }
}

impl Drop for OwnSecret<'_> {
    fn drop(&mut self) {
        let kinds = "secret,role,rolebinding";
        let args = ["-n", NAMESPACE, "delete", kinds, Self::NAME, "--ignore-not-found"];
        if let Err(failure) = self.ns.cluster.kubectl(&args) {
            eprintln!("cannot delete {}: {failure:?}", Self::NAME);
        }
    }
}
