//! Which pod gets which name; and annotation, file, variable and API show the same.

use std::collections::BTreeSet;

use cairn_e2e::app::{App, pods_of, rolled_out};
use cairn_e2e::ns::{in_namespace, within};
use cairn_e2e::pod::Pod;
use cairn_e2e::{Done, Failure, json, paths};
use serde_json::{Value, json as object};

const HIGHEST: [&str; 3] = ["Denali", "MtLogan", "PicodeOrizaba"];

#[test]
fn three_replicas_hold_the_three_highest_mountains_and_all_outputs_show_the_same() -> Done {
    within("three", |ns| {
        let app = App::claiming("checkout", "mountains")
            .replicas(3)
            .env(object!({"name": "GREETING", "value": "I am $(CAIRN_NAME)"}));
        let mut names = BTreeSet::new();
        for pod in app.deploy(ns)? {
            names.insert(all_outputs_agree(&pod, &format!("{}.checkout", ns.name))?);
        }
        assert_eq!(names, HIGHEST.map(str::to_owned).into());
        Ok(())
    })
}

#[test]
fn a_second_deployment_also_starts_at_denali() -> Done {
    within("second", |ns| {
        for name in ["checkout", "basket"] {
            for pod in App::claiming(name, "mountains").deploy(ns)? {
                assert_eq!(pod.claimed("mountains")?, "Denali", "{name}");
                assert_eq!(pod.file("prefix")?, format!("{}.{name}.Denali", ns.name));
            }
        }
        Ok(())
    })
}

#[test]
fn no_two_pods_of_snowflake_deployments_in_two_namespaces_have_one_number() -> Done {
    within("flake-a", |first| {
        in_namespace(&first.cluster, "flake-b", |second| {
            let app = App::claiming("ids", "snowflake").replicas(3);
            let mut numbers = Vec::new();
            for ns in [first, second] {
                for pod in app.deploy(ns)? {
                    let number = pod.file("name")?;
                    assert_eq!(pod.claimed("snowflake")?, number);
                    assert!(number.parse::<u16>().is_ok_and(|number| number < 1024), "{number}");
                    numbers.push(number);
                }
            }
            let distinct: BTreeSet<_> = numbers.iter().collect();
            assert_eq!(distinct.len(), 6, "{numbers:?}");
            Ok(())
        })
    })
}

#[test]
fn a_pod_with_two_pools_holds_a_name_of_each() -> Done {
    within("both", |ns| {
        let app = App::claiming("ids", "mountains,snowflake");
        for pod in app.deploy(ns)? {
            let environment = pod.environment()?;
            assert_eq!(pod.file("name")?, "Denali");
            assert_eq!(environment["CAIRN_NAME"], "Denali");
            assert_eq!(environment["CAIRN_MOUNTAINS_NAME"], "Denali");
            assert_eq!(environment["CAIRN_SNOWFLAKE_NAME"], pod.file("snowflake/name")?);
            assert_eq!(pod.claimed("snowflake")?, pod.file("snowflake/name")?);
            let list = pod.api("/v1/claims")?;
            let pools: Vec<_> =
                json::list(&list, "/claims").iter().filter_map(|c| c["pool"].as_str()).collect();
            assert_eq!(pools, ["mountains", "snowflake"]);
        }
        Ok(())
    })
}

#[test]
fn variables_from_annotations_equal_those_from_the_file_and_expand_in_later_variables() -> Done {
    within("variables", |ns| {
        let mut names = Vec::new();
        for how in ["annotation", "file"] {
            let app = App::claiming(how, "mountains,snowflake")
                .annotation("cairn.dev/env", how)
                .annotation("cairn.dev/stop", "self")
                .env(object!({"name": "SERIES", "value": "$(CAIRN_PREFIX).up"}));
            let pod = app.deploy(ns)?.remove(0);
            let environment = pod.environment()?;
            let variable = |key: &str| environment.get(key).cloned().unwrap_or_default();
            assert_eq!(variable("CAIRN_NAME"), "Denali", "{how}");
            assert_eq!(variable("SERIES"), format!("{}.{how}.Denali.up", ns.name));
            for (pool, segment) in [("mountains", "MOUNTAINS"), ("snowflake", "SNOWFLAKE")] {
                for (file, field) in [("name", "NAME"), ("prefix", "PREFIX"), ("fence", "FENCE")] {
                    let key = format!("CAIRN_{segment}_{field}");
                    assert_eq!(
                        variable(&key),
                        pod.file(&format!("{pool}/{file}"))?,
                        "{how}: {key}"
                    );
                }
            }
            let ours = environment.into_keys().filter(|key| key.starts_with("CAIRN_"));
            names.push(ours.collect::<Vec<_>>());
        }
        assert_eq!(names[0], names[1], "both ways give the same variables");
        assert_eq!(names[0].len(), 9, "{names:?}");
        let none = App::claiming("none", "mountains").annotation("cairn.dev/env", "none");
        let pod = none.deploy(ns)?.remove(0);
        assert!(!pod.environment()?.keys().any(|key| key.starts_with("CAIRN_")));
        assert_eq!(pod.file("name")?, "Denali");
        Ok(())
    })
}

#[test]
fn every_example_runs_unchanged() -> Done {
    within("examples", |ns| {
        let folder = paths::repository().join("deploy/examples");
        ns.kubectl(&["apply", "-f", &folder.to_string_lossy()])?;
        for (app, pool) in
            [("frontend", "mountains"), ("checkout", "mountains"), ("orders", "snowflake")]
        {
            rolled_out(ns, app)?;
            for pod in pods_of(ns, app, 3)? {
                assert_eq!(pod.claimed(pool)?, pod.file("name")?);
            }
        }
        Ok(())
    })
}

/// Checks that annotation, files, variables and API show the same name, and returns it.
fn all_outputs_agree(pod: &Pod<'_>, parent: &str) -> Result<String, Failure> {
    let name = pod.claimed("mountains")?;
    let prefix = format!("{parent}.{name}");
    let claim = pod.claim()?;

    let files = ["name", "prefix", "mountains/name", "mountains/prefix"].map(|path| pod.file(path));
    let [top_name, top_prefix, own_name, own_prefix] = files;
    assert_eq!([top_name?, own_name?], [name.clone(), name.clone()]);
    assert_eq!([top_prefix?, own_prefix?], [prefix.clone(), prefix.clone()]);
    assert_eq!(json::text(&claim, "/name").as_deref(), Some(&*name));
    assert_eq!(json::text(&claim, "/prefix").as_deref(), Some(&*prefix));
    assert_eq!(json::text(&claim, "/state").as_deref(), Some("held"));
    assert_eq!(json::text(&claim, "/holder/pod").as_deref(), Some(&*pod.name));

    let environment = pod.environment()?;
    let variable = |key: &str| environment.get(key).cloned().unwrap_or_default();
    assert_eq!(variable("CAIRN_NAME"), name);
    assert_eq!(variable("CAIRN_PREFIX"), prefix);
    assert_eq!(variable("CAIRN_MOUNTAINS_NAME"), name);
    assert_eq!(variable("GREETING"), format!("I am {name}"));

    let one = pod.api("/v1/claims/mountains")?;
    let all = pod.api("/v1/claims")?;
    for answer in [&one, all.pointer("/claims/0").unwrap_or(&Value::Null)] {
        for field in ["/name", "/prefix", "/fence", "/holder", "/since"] {
            assert_eq!(answer.pointer(field), claim.pointer(field), "{field}");
        }
    }

    let status = pod.annotation("cairn.dev/status")?.unwrap_or_default();
    let status: Value = serde_json::from_str(&status).unwrap_or_default();
    assert_eq!(json::text(&status, "/mountains/name").as_deref(), Some(&*name));
    assert_eq!(json::text(&status, "/mountains/state").as_deref(), Some("held"));
    assert_eq!(json::text(&status, "/mountains/fence"), Some(pod.file("fence")?));
    Ok(name)
}
