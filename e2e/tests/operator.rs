//! What `cairn` tells an administrator who has a kubeconfig and nothing else.

use cairn_e2e::Done;
use cairn_e2e::app::App;
use cairn_e2e::ns::within;
use cairn_e2e::operator::{cairn, findings};
use cairn_e2e::wait::{Seen, secs, until};

#[test]
fn with_a_kubeconfig_alone_cairn_shows_claims_and_checks_cluster_and_pods() -> Done {
    within("operator", |ns| {
        let pod = App::claiming("checkout", "mountains").deploy(ns)?.remove(0);
        let cairn = |args: &[&str]| cairn(&ns.cluster, args);
        let shown = cairn(&["claims", "-n", &ns.name])?.ok()?;
        print!("{shown}");
        assert!(shown.contains(&pod.name) && shown.contains("Denali"), "{shown}");

        let checked = cairn(&["check", "-n", &ns.name, "-o", "json"])?;
        print!("{}", checked.stdout);
        for about in ["versions", "webhook", "admission", "certificates", "etcd"] {
            let found = findings(&checked, about)?;
            assert!(found.iter().any(|(level, _)| level == "fine"), "{about}: {found:?}");
            let problem = found.iter().find(|(level, _)| level == "problem");
            assert_eq!(problem, None, "{about}: {found:?}");
        }

        let why = cairn(&["check", "pod", &pod.name, "-n", &ns.name])?;
        assert!(
            why.stdout.contains("its claim on 'Denali' of pool 'mountains' is held"),
            "{why:?}"
        );
        assert_eq!(why.code, Some(0), "{why:?}");
        let missing = cairn(&["check", "pod", "nobody", "-n", &ns.name])?;
        assert!(missing.stdout.contains("nobody does not exist"), "{missing:?}");
        assert_eq!(missing.code, Some(1), "{missing:?}");
        Ok(())
    })
}

#[test]
fn a_pod_that_is_refused_is_explained_and_one_without_its_sidecar_is_found() -> Done {
    within("explained", |ns| {
        let mut refused = App::claiming("refused", "montains").deployment();
        refused["metadata"]["name"] = "refused".into();
        ns.apply(&refused.to_string())?;
        let why = until("the refusal is an Event", secs(60), || {
            let why = cairn(&ns.cluster, &["check", "pod", "refused", "-n", &ns.name])?;
            let said = why.stdout.contains("did you mean 'mountains'?");
            Ok(if said { Seen::Yes(why.stdout) } else { Seen::NotYet(why.stdout) })
        })?;
        println!("{}", why.trim());

        // The annotation of a running pod can be written at any time, and brings no sidecar.
        App::named("late").start(ns)?;
        ns.kubectl(&["annotate", "pod", "late", "cairn.dev/pool=mountains"])?;
        let checked = cairn(&ns.cluster, &["check", "-n", &ns.name, "-o", "json"])?;
        let wanted = format!("{}/late asks for Cairn and runs without its sidecar", ns.name);
        let found = findings(&checked, "pods")?;
        assert!(found.iter().any(|(_, message)| message.starts_with(&wanted)), "{found:?}");
        assert_eq!(checked.code, Some(1), "{checked:?}");
        Ok(())
    })
}
