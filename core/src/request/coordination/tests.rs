use std::time::Duration;

use super::*;
use crate::coordination::validity::Validity;
use crate::request::Request;

type Pairs<'a> = &'a [(&'a str, &'a str)];

const SHARDS: Pairs<'_> = &[("cairn.dev/coordinate", "shards"), ("cairn.dev/shards", "16")];

fn parse(annotations: Pairs<'_>) -> Result<Request, RequestError> {
    let parsed = Request::parse(annotations.iter().copied(), []);
    parsed.map(|request| request.expect("the pod opted in"))
}

fn with_shards(more: Pairs<'_>) -> Vec<(&str, &str)> {
    SHARDS.iter().chain(more).copied().collect()
}

#[test]
fn two_annotations_are_a_complete_request_for_shards_without_a_pool() {
    let request = parse(SHARDS).unwrap();
    assert_eq!(request.pools, []);
    assert_eq!(
        request.coordination.unwrap(),
        Coordination {
            terms: Terms {
                roles: BTreeSet::from([Role::Shards]),
                map: Some(ShardMap { shards: 16, hash: KeyHash::Xxh64 }),
                validity: Validity::DEFAULT,
                heartbeat: None,
                confirm_required: false,
                tags: BTreeMap::new(),
                weight: 100,
                participate: false,
                min_participants: 1,
            },
            on_loss: OnLoss::Keep,
            endpoints: BTreeMap::new(),
        }
    );
}

#[test]
fn every_annotation_of_coordination_is_parsed_beside_a_pool() {
    let request = parse(&[
        ("cairn.dev/pool", "mountains"),
        ("cairn.dev/coordinate", "peers, leader,shards"),
        ("cairn.dev/shards", "10000"),
        ("cairn.dev/shard-hash", "crc64-iso"),
        ("cairn.dev/validity", "60s"),
        ("cairn.dev/heartbeat", "15s"),
        ("cairn.dev/confirm", "required"),
        ("cairn.dev/on-loss", "Stop"),
        ("cairn.dev/endpoints", "http=8080, grpc=9000"),
        ("cairn.dev/tags", "tier=hot,zone=eu/a"),
        ("cairn.dev/weight", "1000"),
        ("cairn.dev/participate", "start"),
        ("cairn.dev/min-participants", "4096"),
    ])
    .unwrap();
    assert_eq!(request.pools.len(), 1);
    let found = request.coordination.unwrap();
    assert_eq!(found.terms.roles, BTreeSet::from(Role::ALL));
    assert_eq!(found.terms.map, Some(ShardMap { shards: 10_000, hash: KeyHash::Crc64Iso }));
    assert_eq!(found.terms.validity, Validity::LONGEST);
    assert_eq!(found.terms.heartbeat, Some(Duration::from_secs(15)));
    assert!(found.terms.confirm_required && found.terms.participate);
    assert_eq!(found.on_loss, OnLoss::Stop);
    assert_eq!(found.endpoints, BTreeMap::from([("http".into(), 8080), ("grpc".into(), 9000)]));
    assert_eq!(found.terms.tags["zone"], "eu/a");
    assert_eq!((found.terms.weight, found.terms.min_participants), (1_000, 4_096));
    assert_eq!(found.to_string(), "peers,leader,shards, 10000 shards by crc64-iso");
}

#[test]
fn a_bad_value_is_refused_with_what_to_write_instead() {
    for (key, value, message) in [
        ("shard-hash", "xxh46", " is 'xxh46'; did you mean 'xxh64'?"),
        ("shard-hash", "murmur3", " is 'murmur3'; use xxh64, fnv1a64, crc64-iso, int"),
        ("validity", "2s", ": '2s' is not a duration from 3s to 60s; write it like 10s"),
        ("validity", "61s", ": '61s' is not a duration from 3s to 60s; write it like 10s"),
        ("validity", "10", ": '10' is not a duration from 3s to 60s; write it like 10s"),
        ("heartbeat", "0s", ": '0s' is not a duration of at least 1s; write it like 15s"),
        ("confirm", "yes", ": 'yes' is not known; write deadline or required"),
        ("on-loss", "stop", ": 'stop' is not known; write Keep or Stop"),
        ("weight", "0", ": '0' is not a number from 1 to 1000; write it like 100"),
        ("participate", "now", ": 'now' is not known; write ask or start"),
        ("min-participants", "4097", ": '4097' is not a number from 1 to 4096; write it like 3"),
        ("tags", "hot", ": 'hot' is not a tag; write it like tier=hot"),
        ("tags", "a=1,a=2", ": names 'a' twice; name it once"),
        (
            "endpoints",
            "",
            ": '' is not an endpoint; write it like http=8080,grpc=9000, with ports of the pod",
        ),
        (
            "endpoints",
            "8080",
            ": '8080' is not an endpoint; write it like http=8080,grpc=9000, with ports of the pod",
        ),
        ("endpoints", "a=1,a=2", " names 'a' twice; name it once"),
        (
            "endpoints",
            "http=10.0.0.7:8080",
            ": '10.0.0.7:8080' is not a port; an endpoint is at the pod's own address, so write only its port, like \
             http=8080",
        ),
    ] {
        let key = format!("cairn.dev/{key}");
        let error = parse(&with_shards(&[(&key, value)])).unwrap_err();
        assert_eq!(error.to_string(), format!("annotation '{key}'{message}"));
    }
    let long = "a=1,".repeat(300);
    let long = parse(&with_shards(&[("cairn.dev/tags", &long)])).unwrap_err();
    assert_eq!(
        long.to_string(),
        "annotation 'cairn.dev/tags' has 1200 bytes; write less than 1024, because it goes into a small record"
    );
}

#[test]
fn what_does_nothing_is_refused() {
    let coordinate = |roles| ("cairn.dev/coordinate", roles);
    let cases: &[(Pairs<'_>, &str)] = &[
        (
            &[coordinate(" ")],
            "annotation 'cairn.dev/coordinate' is empty; list peers, leader, shards or some of \
             them, like leader,shards",
        ),
        (
            &[coordinate("shard")],
            "annotation 'cairn.dev/coordinate' is 'shard'; did you mean 'shards'?",
        ),
        (
            &[coordinate("everything")],
            "annotation 'cairn.dev/coordinate' is 'everything'; use peers, leader, shards",
        ),
        (
            &[coordinate("peers,peers")],
            "annotation 'cairn.dev/coordinate' names 'peers' twice; name it once",
        ),
        (
            &[coordinate("shards")],
            "annotation 'cairn.dev/coordinate: shards' needs a number of shards; add cairn.dev/shards: \"160\", about \
             ten times the replicas that you will ever have",
        ),
        (
            &[coordinate("shards"), ("cairn.dev/shards", "10001")],
            "annotation 'cairn.dev/shards': '10001' is not a number from 1 to 10000; write it like 16",
        ),
        (
            &[coordinate("leader"), ("cairn.dev/shards", "16")],
            "annotation 'cairn.dev/shards' does nothing without shards; add shards to \
             cairn.dev/coordinate, or remove it",
        ),
        (
            &[("cairn.dev/pool", "mountains"), ("cairn.dev/validity", "5s")],
            "annotation 'cairn.dev/validity' does nothing without coordination; add cairn.dev/coordinate: shards, or \
             remove it",
        ),
        (
            &[("cairn.dev/shards", "16")],
            "annotation 'cairn.dev/shards' does nothing alone; add cairn.dev/pool: mountains or cairn.dev/coordinate: \
             peers, or remove it",
        ),
        (
            &[coordinate("peers"), ("cairn.dev/prefix", "{name}")],
            "annotation 'cairn.dev/prefix' does nothing without a pool; add cairn.dev/pool: mountains, or remove it",
        ),
        (
            &[coordinate("peers"), ("cairn.dev/tag", "a=1")],
            "annotation 'cairn.dev/tag' is not known; did you mean 'cairn.dev/tags'?",
        ),
    ];
    for (annotations, message) in cases {
        assert_eq!(&parse(annotations).unwrap_err().to_string(), message);
    }
}
