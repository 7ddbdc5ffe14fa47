//! Bad input at admission: each gets one sentence that says what to write instead.

use cairn_e2e::app::App;
use cairn_e2e::ns::{Namespace, within};
use cairn_e2e::{Done, Failure, pool};
use serde_json::{Value, json as object};

/// How the API server begins what a webhook has to say.
const DENIED: &str = "denied the request: ";

#[test]
fn bad_annotations_are_refused_with_what_to_write_instead() -> Done {
    let table = [
        ("cairn.dev/pool", "montains", "pool 'montains' does not exist; did you mean 'mountains'?"),
        ("cairn.dev/pool", "", "annotation 'cairn.dev/pool' is empty; name a pool, like mountains"),
        (
            "cairn.dev/pool",
            "mountains,,snowflake",
            "annotation 'cairn.dev/pool' is 'mountains,,snowflake' with nothing between two commas; write it like mountains,snowflake",
        ),
        (
            "cairn.dev/pool",
            "mountains,mountains",
            "annotation 'cairn.dev/pool' names pool 'mountains' twice; name it once",
        ),
        (
            "cairn.dev/pool",
            "Mountains",
            "annotation 'cairn.dev/pool': pool name 'Mountains' is not valid; use 1 to 40 lower-case letters, digits and '-', starting with a letter and not ending with '-'",
        ),
        (
            "cairn.dev/pol",
            "mountains",
            "annotation 'cairn.dev/pol' is not known; did you mean 'cairn.dev/pool'?",
        ),
        (
            "cairn.dev/group",
            "checkout",
            "annotation 'cairn.dev/group' does nothing without a pool; add cairn.dev/pool: mountains, or remove it",
        ),
    ];
    within("refused", |ns| {
        for (key, value, sentence) in table {
            let said = refusal(ns, &App::named("bad").annotation(key, value))?;
            assert_eq!(said, sentence, "{key}: {value}");
        }
        Ok(())
    })
}

#[test]
fn bad_values_beside_a_good_pool_are_refused_with_what_to_write_instead() -> Done {
    let table = [
        (
            "cairn.dev/group",
            "a/b",
            "annotation 'cairn.dev/group': group 'a/b' is not valid; use 1 to 253 letters, digits, '-', '_' and '.', starting with a letter or digit",
        ),
        (
            "cairn.dev/prefix",
            "{nmae}",
            "annotation 'cairn.dev/prefix': prefix placeholder '{nmae}' is not known; did you mean '{name}'?",
        ),
        (
            "cairn.dev/prefix",
            "it's.{name}",
            "annotation 'cairn.dev/prefix': prefix 'it's.{name}' contains '''; use only letters, digits, '.', '-', '_', ':' and placeholders",
        ),
        (
            "cairn.dev/containers",
            "ap",
            "annotation 'cairn.dev/containers' names container 'ap', which the pod does not have; did you mean 'app'?",
        ),
        (
            "cairn.dev/gait",
            "none",
            "annotation 'cairn.dev/gait' is not known; did you mean 'cairn.dev/gate'?",
        ),
    ];
    within("values", |ns| {
        for (key, value, sentence) in table {
            let app = App::claiming("bad", "mountains").annotation(key, value);
            assert_eq!(refusal(ns, &app)?, sentence, "{key}: {value}");
        }
        Ok(())
    })
}

#[test]
fn an_app_that_cannot_be_stopped_is_refused_with_the_ways_out() -> Done {
    let watch = "set cairn.dev/stop: self and let the app watch valid_until in /var/run/cairn/snowflake/claim.json";
    within("unstoppable", |ns| {
        let app = App::claiming("bad", "snowflake");
        let said = refusal(ns, &app.clone().annotation("cairn.dev/gate", "none"))?;
        let sentence = "annotation 'cairn.dev/gate: none' lets the app run without a claim, so Cairn cannot stop it when its claim on pool 'snowflake' is lost; remove it, or ";
        assert_eq!(said, format!("{sentence}{watch}"));
        let said = refusal(ns, &app.clone().annotation("cairn.dev/env", "annotation"))?;
        let sentence = "annotation 'cairn.dev/env: annotation' gives variables that outlive a claim, but apps of pool 'snowflake' must not start again with an old one; use file or none, or ";
        assert_eq!(said, format!("{sentence}{watch}"));
        let exec = object!({"exec": {"command": ["true"]}, "periodSeconds": 10});
        let said = refusal(ns, &app.clone().with("livenessProbe", exec))?;
        let sentence = "container 'app': its livenessProbe is an exec probe, which the sidecar cannot run in the app's container; use httpGet, tcpSocket or grpc, leave the container out with cairn.dev/containers, or ";
        assert_eq!(said, format!("{sentence}{watch}"));
        let said = refusal(ns, &app.annotation("cairn.dev/stop", "slef"))?;
        assert_eq!(said, "annotation 'cairn.dev/stop' is 'slef'; did you mean 'self'?");
        Ok(())
    })
}

#[test]
fn a_deployment_with_the_annotation_in_the_wrong_place_is_warned_about() -> Done {
    within("misplaced", |ns| {
        let mut deployment = App::named("checkout").deployment();
        deployment["metadata"]["annotations"] = object!({"cairn.dev/pool": "mountains"});
        let said = create(ns, &deployment)?;
        let sentence = "annotation cairn.dev/pool has no effect on the Deployment itself; write it under spec.template.metadata.annotations";
        assert!(said.contains("Warning: ") && said.contains(sentence), "{said}");
        Ok(())
    })
}

#[test]
fn bad_pools_are_refused_with_what_to_write_instead() -> Done {
    let list = |names: Value| object!({"names": {"list": names}});
    let table = [
        ("teas", list(object!([])), "names.list is empty; give it at least one name"),
        (
            "teas",
            list(object!(["mint", "mint"])),
            "name 'mint' is in the list twice; every name may appear once",
        ),
        (
            "teas",
            list(object!(["earl.grey"])),
            "name 'earl.grey' is not valid; use 1 to 63 letters, digits, '-' and '_'",
        ),
        (
            "teas",
            list(object!(["earl/grey"])),
            "name 'earl/grey' is not valid; use 1 to 63 letters, digits, '-' and '_'",
        ),
        (
            "teas",
            list(object!(["earl'grey"])),
            "name 'earl'grey' is not valid; use 1 to 63 letters, digits, '-' and '_'",
        ),
        (
            "teas",
            object!({"names": {}}),
            "names must have exactly one of builtin, list and range; write for example names: {builtin: NorthAmericanMountains}",
        ),
        (
            "teas",
            object!({"names": {"range": {"from": 7, "to": 3}}}),
            "names.range is empty; write from as the lower and to as the higher number",
        ),
        (
            "teas",
            object!({"names": {"list": ["mint"]}, "validity": "soon"}),
            "validity is not a duration; write it like 30s or 1m30s",
        ),
        (
            "env",
            list(object!(["mint"])),
            "name, prefix, fence and env are reserved for files in the shared volume; choose another metadata.name",
        ),
        (
            "t.eas",
            list(object!(["mint"])),
            "the pool's metadata.name is not valid; use 1 to 40 lower-case letters, digits and '-', starting with a letter and not ending with '-'",
        ),
    ];
    within("pools", |ns| {
        for (name, spec, sentence) in table {
            let said = create(ns, &pool::object(name, &spec))?;
            assert!(said.contains(sentence), "{name} {spec}: {said}");
        }
        Ok(())
    })
}

/// The sentence with which a pod is refused, and nothing else.
fn refusal(ns: &Namespace, app: &App) -> Result<String, Failure> {
    let said = create(ns, &app.pod())?;
    said.split_once(DENIED)
        .map(|(_, sentence)| sentence.trim().to_owned())
        .ok_or_else(|| Failure::new(format!("the webhook refused nothing: {said}")))
}

/// What the API server says when an object is created; nothing is left of it.
fn create(ns: &Namespace, object: &Value) -> Result<String, Failure> {
    let args = ["-n", &ns.name, "create", "--dry-run=server", "-f", "-"];
    Ok(ns.cluster.kubectl_with(&args, &object.to_string())?.stderr)
}
