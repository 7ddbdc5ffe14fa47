use super::*;

fn pool(json: &str) -> Result<Pool, PoolError> {
    Pool::from_json("tea".parse()?, json.as_bytes())
}

#[test]
fn builtin_pools_have_the_documented_rules_and_lease_times() {
    let mountains = Pool::builtin(&MOUNTAINS.parse().unwrap()).unwrap();
    assert_eq!(mountains.spec.lease_ttl(), Duration::from_secs(46));
    assert_eq!(mountains.spec.on_loss, OnLoss::Keep);
    assert_eq!(mountains.clean_quarantine(), Duration::from_secs(5));
    let snowflake = Pool::builtin(&SNOWFLAKE.parse().unwrap()).unwrap();
    assert_eq!(snowflake.spec.lease_ttl(), Duration::from_secs(61));
    assert_eq!(snowflake.spec.on_loss, OnLoss::Stop);
    assert_eq!(snowflake.clean_quarantine(), Duration::from_secs(30));
    assert_eq!(snowflake.names.len(), 1024);
}

#[test]
fn a_spec_that_is_written_to_etcd_and_read_again_has_equal_bytes() {
    for name in Pool::builtin_names() {
        let pool = Pool::builtin(&name).unwrap();
        let again = Pool::from_json(name, pool.to_json().as_bytes()).unwrap();
        assert_eq!(again, pool);
        assert_eq!(again.to_json(), pool.to_json());
    }
}

#[test]
fn at_least_the_quarantine_lies_between_two_holders_even_with_drifting_clocks() {
    for (validity, quarantine) in [(1, 0), (30, 15), (3600, 3600), (599, 1)] {
        let spec = PoolSpec {
            validity: Duration::from_secs(validity),
            quarantine: Duration::from_secs(quarantine),
            ..PoolSpec::default()
        };
        let rate = 0.01;
        let belief_ends = spec.validity.mul_f64(1.0 + rate);
        let slot_exists = spec.lease_ttl().mul_f64(1.0 - rate);
        assert!(slot_exists >= belief_ends + spec.quarantine, "V {validity} Q {quarantine}");
    }
}

#[test]
fn pool_names_follow_the_documented_pattern() {
    for good in ["a", "mountains", "node-ids", "a1", &"a".repeat(40)] {
        assert!(good.parse::<PoolName>().is_ok(), "{good}");
    }
    for bad in ["", "A", "1a", "-a", "a-", "a.b", "a_b", &"a".repeat(41), "name", "env"] {
        assert!(bad.parse::<PoolName>().is_err(), "{bad}");
    }
}

#[test]
fn unknown_fields_bad_durations_and_reservations_of_names_are_refused() {
    let strict = |json: &str| {
        PoolSpec::strict(&mut serde_json::Deserializer::from_str(json)).unwrap_err().to_string()
    };
    assert_eq!(
        strict(r#"{"names":{"list":["a"]},"validty":"30s"}"#),
        "a pool's spec has no field 'validty'; did you mean 'validity'?"
    );
    let range = r#"{"names":{"range":{"from":0,"to":9,"widht":3}}}"#;
    assert!(strict(range).contains("'names.range.widht'; did you mean 'width'?"), "{range}");
    let closed = r#"{"names":{"list":["a"]},"closed":true}"#;
    assert!(strict(closed).contains("no field 'closed'"), "only the webhook writes it");
    let error = pool(r#"{"names":{"list":["a"]},"validity":"soon"}"#).unwrap_err();
    assert!(error.to_string().contains("write it like 30s"), "{error}");
    assert_eq!(
        pool(r#"{"names":{"list":["a"]},"validity":"500ms"}"#),
        Err(PoolError::Validity(Duration::from_millis(500)))
    );
    assert_eq!(
        pool(r#"{"names":{"list":["a"]},"clock":"Reserve"}"#),
        Err(PoolError::ReserveNeedsRange)
    );
}

#[test]
fn fields_of_a_newer_version_in_etcd_are_ignored_at_every_depth() {
    let newer = r#"{"names":{"range":{"from":0,"to":9,"step":2},"aliases":[]},"colour":"red",
        "allowedNamespaces":{"matchLabels":{"team":"tea"},"matchNames":[]}}"#;
    let pool = pool(newer).unwrap();
    assert_eq!(pool.names.len(), 10);
    assert_eq!(pool.spec.allowed_namespaces.match_labels["team"], "tea");
}

#[test]
fn a_pool_of_node_ids_may_say_how_ids_are_made() {
    let with = |ids: &str| {
        pool(&format!(
            r#"{{"names":{{"range":{{"from":0,"to":255}}}},"clock":"Reserve","ids":{ids}}}"#
        ))
    };
    let layout = with(r#"{"layout":"42/8/13"}"#).unwrap().ids.unwrap();
    assert_eq!(layout, Layout::parse("42/8/13", "2020-01-01T00:00:00Z").unwrap());
    let epoch = with(r#"{"epoch":"2026-01-01T00:00:00Z"}"#).unwrap();
    assert_eq!(epoch.ids, Layout::parse("41/10/12", "2026-01-01T00:00:00Z").ok());
    assert!(
        epoch.to_json().contains(r#""ids":{"layout":"41/10/12","epoch":"2026-01-01T00:00:00Z"}"#)
    );
    for (ids, message) in [
        (r#"{"layout":"41/10"}"#, "ids.layout '41/10' is not a layout; write the bits"),
        (r#"{"layout":"41/10/11"}"#, "ids.layout '41/10/11' has 62 bits"),
        (r#"{"layout":"43/7/13"}"#, "ids.layout the layout 43/7/13 holds node IDs up to 127"),
        (r#"{"epoch":"2026"}"#, "ids.epoch '2026' is not a time; write it like 2020-01-01"),
    ] {
        let refused = with(ids).unwrap_err().to_string();
        assert!(refused.starts_with(message), "{ids}: {refused}");
    }
    let names = pool(r#"{"names":{"list":["a"]},"ids":{}}"#).unwrap_err().to_string();
    assert!(names.starts_with("ids needs clock: Reserve"), "{names}");
}
