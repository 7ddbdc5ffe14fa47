//! Bad input at admission: each gets one message that says what to write instead.

use cairn_e2e::app::App;
use cairn_e2e::ns::{Namespace, within};
use cairn_e2e::{Done, Failure, pool};
use serde_json::{Value, json as object};

/// The words of the API server before the message of a webhook.
const DENIED: &str = "denied the request: ";

#[test]
fn bad_annotations_are_refused_with_a_message_that_says_what_to_write() -> Done {
    let table = [
        ("cairn.dev/pool", "montains", "pool 'montains' does not exist; did you mean 'mountains'?"),
        ("cairn.dev/pool", "", "annotation 'cairn.dev/pool' is empty; name a pool, like mountains"),
        (
            "cairn.dev/pool",
            "mountains,,snowflake",
            "annotation 'cairn.dev/pool' is 'mountains,,snowflake' with nothing between two commas; \
             write it like mountains,snowflake",
        ),
        (
            "cairn.dev/pool",
            "mountains,mountains",
            "annotation 'cairn.dev/pool' names pool 'mountains' twice; name it once",
        ),
        (
            "cairn.dev/pool",
            "Mountains",
            "annotation 'cairn.dev/pool': pool name 'Mountains' is not valid; use 1 to 40 lower-case \
             letters, digits and '-', starting with a letter and not ending with '-'",
        ),
        (
            "cairn.dev/pol",
            "mountains",
            "annotation 'cairn.dev/pol' is not known; did you mean 'cairn.dev/pool'?",
        ),
        (
            "cairn.dev/group",
            "checkout",
            "annotation 'cairn.dev/group' does nothing alone; add cairn.dev/pool: mountains or \
             cairn.dev/coordinate: peers, or remove it",
        ),
        (
            "cairn.dev/coordinate",
            "shard",
            "annotation 'cairn.dev/coordinate' is 'shard'; did you mean 'shards'?",
        ),
        (
            "cairn.dev/coordinate",
            "shards",
            "annotation 'cairn.dev/coordinate: shards' needs a number of shards; add cairn.dev/shards: \"160\", \
             about ten times the replicas that you will ever have",
        ),
        (
            "cairn.dev/coordinate",
            "leader",
            "annotation 'cairn.dev/coordinate' needs a group, and this pod has no controller that names one; add \
             cairn.dev/group: NAME, which all pods of the group have",
        ),
    ];
    within("refused", |ns| {
        for (key, value, message) in table {
            let said = refusal(ns, &App::named("bad").annotation(key, value))?;
            assert_eq!(said, message, "{key}: {value}");
        }
        Ok(())
    })
}

#[test]
fn bad_annotations_beside_a_good_pool_are_refused_with_a_message_that_says_what_to_write() -> Done {
    let table = [
        (
            "cairn.dev/group",
            "a/b",
            "annotation 'cairn.dev/group': group 'a/b' is not valid; use 1 to 253 letters, digits, '-', \
             '_' and '.', starting with a letter or digit",
        ),
        (
            "cairn.dev/prefix",
            "{nmae}",
            "annotation 'cairn.dev/prefix': prefix placeholder '{nmae}' is not known; did you mean '{name}'?",
        ),
        (
            "cairn.dev/prefix",
            "it's.{name}",
            "annotation 'cairn.dev/prefix': prefix 'it's.{name}' contains '''; use only letters, digits, \
             '.', '-', '_', ':' and placeholders",
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
        for (key, value, message) in table {
            let app = App::claiming("bad", "mountains").annotation(key, value);
            assert_eq!(refusal(ns, &app)?, message, "{key}: {value}");
        }
        Ok(())
    })
}

#[test]
fn a_pod_of_a_stop_pool_that_cairn_cannot_stop_is_refused_with_the_alternatives() -> Done {
    let watch = "set cairn.dev/stop: self and let the app watch valid_until in \
                 /var/run/cairn/snowflake/claim.json";
    within("unstoppable", |ns| {
        let app = App::claiming("bad", "snowflake");
        let said = refusal(ns, &app.clone().annotation("cairn.dev/gate", "none"))?;
        let message = "annotation 'cairn.dev/gate: none' lets the app run without a claim, so Cairn cannot \
                       stop it when its claim on pool 'snowflake' is lost; remove it, or ";
        assert_eq!(said, format!("{message}{watch}"));
        let said = refusal(ns, &app.clone().annotation("cairn.dev/env", "annotation"))?;
        let message = "annotation 'cairn.dev/env: annotation' gives variables that outlive a claim, but apps of \
                       pool 'snowflake' must not start again with an old one; use file or none, or ";
        assert_eq!(said, format!("{message}{watch}"));
        let exec = object!({"exec": {"command": ["true"]}, "periodSeconds": 10});
        let said = refusal(ns, &app.clone().with("livenessProbe", exec))?;
        let message = "container 'app': its livenessProbe is an exec probe, which the sidecar cannot run in the \
                       app's container; use httpGet, tcpSocket or grpc, leave the container out with \
                       cairn.dev/containers, or ";
        assert_eq!(said, format!("{message}{watch}"));
        let said = refusal(ns, &app.annotation("cairn.dev/stop", "slef"))?;
        assert_eq!(said, "annotation 'cairn.dev/stop' is 'slef'; did you mean 'self'?");
        Ok(())
    })
}

#[test]
fn the_annotation_on_a_deployment_instead_of_its_pod_template_gives_a_warning() -> Done {
    within("misplaced", |ns| {
        let mut deployment = App::named("checkout").deployment();
        deployment["metadata"]["annotations"] = object!({"cairn.dev/pool": "mountains"});
        let said = create(ns, &deployment)?;
        let message = "annotation cairn.dev/pool has no effect on the Deployment itself; write it under \
                       spec.template.metadata.annotations";
        assert!(said.contains("Warning: ") && said.contains(message), "{said}");
        Ok(())
    })
}

#[test]
fn bad_pools_are_refused_with_a_message_that_says_what_to_write() -> Done {
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
            "names must have exactly one of builtin, list and range; write for example \
             names: {builtin: NorthAmericanMountains}",
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
            "teas",
            object!({"names": {"list": ["mint"]}, "ids": {}}),
            "ids needs clock: Reserve, without which no IDs are minted; add it, or remove ids",
        ),
        (
            "teas",
            object!({"names": {"range": {"from": 0, "to": 3}}, "clock": "Reserve", "ids": {"layout": "41/10/13"}}),
            "ids.layout must have 63 bits in all, like 41/10/12",
        ),
        (
            "env",
            list(object!(["mint"])),
            "name, prefix, fence and env are reserved for files in the shared volume; choose another metadata.name",
        ),
        (
            "t.eas",
            list(object!(["mint"])),
            "the pool's metadata.name is not valid; use 1 to 40 lower-case letters, digits and '-', \
             starting with a letter and not ending with '-'",
        ),
    ];
    within("pools", |ns| {
        for (name, spec, message) in table {
            let said = create(ns, &pool::object(name, &spec))?;
            assert!(said.contains(message), "{name} {spec}: {said}");
        }
        Ok(())
    })
}

/// The message with which the webhook refuses a pod.
fn refusal(ns: &Namespace, app: &App) -> Result<String, Failure> {
    let said = create(ns, &app.pod())?;
    said.split_once(DENIED)
        .map(|(_, message)| message.trim().to_owned())
        .ok_or_else(|| Failure::new(format!("the webhook refused nothing: {said}")))
}

/// What `kubectl` prints on standard error for a dry run of creating an object.
fn create(ns: &Namespace, object: &Value) -> Result<String, Failure> {
    let args = ["-n", &ns.name, "create", "--dry-run=server", "-f", "-"];
    Ok(ns.cluster.kubectl_with(&args, &object.to_string())?.stderr)
}
