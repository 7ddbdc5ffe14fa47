//! No key and no token is where people or apps can read it.

use cairn_e2e::app::App;
use cairn_e2e::node::Process;
use cairn_e2e::ns::within;
use cairn_e2e::secrets::pattern::Kind;
use cairn_e2e::secrets::{self, PLACES, Text};
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure};
use serde_json::json as object;

/// None of them is real.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlLXBsYW50ZWQ";
const KEY: &str = "-----BEGIN PRIVATE KEY-----";
const HEADER: &str = "Authorization: Bearer planted-planted-planted";

#[test]
fn no_key_or_token_is_in_logs_objects_and_metrics_or_within_reach_of_the_app() -> Done {
    within("secrets", |ns| {
        let pod = App::claiming("shop", "mountains,snowflake").deploy(ns)?.remove(0);
        pod.claimed("mountains")?;
        // What a sidecar does at its second start is looked at, too.
        let before = pod.container("cairn")?;
        Process::of_container(&ns.cluster, &before.id)?.signal("KILL")?;
        until("the sidecar runs again", secs(60), || {
            let now = pod.container("cairn")?;
            let again = now.restarts > before.restarts && now.started_at.is_some();
            Ok(if again { Seen::Yes(()) } else { Seen::NotYet(format!("{now:?}")) })
        })?;
        let ready =
            ["wait", "--for=condition=Ready", "--timeout=60s", &format!("pod/{}", pod.name)];
        ns.kubectl(&ready)?;
        let texts = secrets::collect(ns)?;
        all_places_were_read(&texts)?;
        let found = secrets::find(&texts);
        assert!(found.is_empty(), "{found:#?}");
        secrets::credentials_are_out_of_reach(ns)
    })
}

#[test]
fn the_scan_finds_what_is_planted_in_a_log_an_annotation_an_event_and_a_file() -> Done {
    within("planted", |ns| {
        let shop = App::claiming("shop", "mountains").start(ns)?;
        let script = format!("echo '{TOKEN}'; echo '{KEY}'; echo '{HEADER}'; sleep 3600");
        // A pod of another maker with a container of the sidecar's name.
        let planted = App::named("planted")
            .annotation("example.com/planted", &format!("key {KEY}"))
            .with("name", object!("cairn"))
            .script(&script);
        planted.start(ns)?;
        ns.apply(&event(&ns.name, HEADER))?;
        let app = Process::of_container(&ns.cluster, &shop.container("app")?.id)?;
        let sidecar = Process::of_container(&ns.cluster, &shop.container("cairn")?.id)?;
        let write = format!("echo {TOKEN} >/proc/{}/root/var/run/cairn/planted", sidecar.pid);
        ns.cluster.node(&["sh", "-c", &write])?.ok()?;
        assert!(app.files("/var/run/cairn")?.contains(&"planted".to_owned()));

        let expected = [
            ("logs", Kind::Token),
            ("logs", Kind::PrivateKey),
            ("logs", Kind::Bearer),
            ("objects", Kind::PrivateKey),
            ("objects", Kind::Bearer),
            ("volume", Kind::Token),
        ];
        until("everything is found", secs(30), || {
            let found = secrets::find(&secrets::collect(ns)?);
            let missing: Vec<_> = expected
                .iter()
                .filter(|(place, kind)| {
                    !found.iter().any(|one| one.place.starts_with(place) && one.kind == *kind)
                })
                .collect();
            Ok(if missing.is_empty() {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{missing:?}"))
            })
        })
    })
}

/// A scan that read nothing proves nothing.
fn all_places_were_read(texts: &[Text]) -> Done {
    for place in PLACES {
        let read = texts.iter().filter(|text| text.place.starts_with(place));
        let bytes: usize = read.map(|text| text.text.len()).sum();
        println!("{place}: {bytes} bytes");
        if bytes < 100 {
            return Err(Failure::new(format!("nothing was read of {place}")));
        }
    }
    Ok(())
}

fn event(namespace: &str, message: &str) -> String {
    object!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "planted"},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "planted"},
        "reason": "Planted",
        "message": message,
        "type": "Normal",
    })
    .to_string()
}
