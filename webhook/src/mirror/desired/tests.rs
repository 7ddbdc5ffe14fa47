use cairn_core::claim::Fence;
use cairn_core::time::UnixMillis;

use super::*;

const STATUS: &str = "cairn.dev/status";
const CLAIM: &str = "claim.cairn.dev/mountains";
const LONG: Duration = Duration::from_mins(1);

fn pool(name: &str) -> PoolName {
    name.parse().unwrap()
}

fn asking(pools: &[&str]) -> Shown {
    Shown { asked: pools.iter().map(|name| pool(name)).collect(), results: BTreeMap::new() }
}

fn denali(revision: i64) -> BTreeMap<PoolName, Claim> {
    let claim = Claim {
        name: "Denali".into(),
        fence: Fence { epoch: 5, revision },
        since: UnixMillis(1_795_230_000_000),
    };
    BTreeMap::from([(pool("mountains"), claim)])
}

fn look(shown: &Shown, claims: &BTreeMap<PoolName, Claim>, missing: Duration) -> Desired {
    desired(shown, claims, |_| missing, |pool| pool.as_str() == "mountains")
}

/// The pod once what is wanted was written.
fn after(shown: &Shown, wanted: &Desired) -> Shown {
    Shown { asked: shown.asked.clone(), results: wanted.results.clone() }
}

#[test]
fn a_held_claim_is_shown_as_name_and_status_and_told_once() {
    let pod = asking(&["mountains"]);
    let wanted = look(&pod, &denali(7), Duration::ZERO);
    assert_eq!(wanted.results[CLAIM], "Denali");
    assert_eq!(
        wanted.results[STATUS],
        r#"{"mountains":{"name":"Denali","fence":"5-7","state":"held","since":"2026-11-21T03:00:00Z"}}"#
    );
    let news =
        News::Claimed { pool: pool("mountains"), name: "Denali".into(), fence: "5-7".into() };
    assert_eq!(wanted.news, [news]);
    let pod = after(&pod, &wanted);
    let again = look(&pod, &denali(7), Duration::ZERO);
    assert!(again.news.is_empty());
    assert_eq!(patch("u1", &pod, &again.results), None);
}

#[test]
fn a_pod_whose_claim_is_on_its_way_is_not_written_to() {
    let pod = asking(&["mountains"]);
    let wanted = look(&pod, &BTreeMap::new(), Duration::from_secs(1));
    assert_eq!(patch("u1", &pod, &wanted.results), None);
    assert_eq!(wanted.again_in, Some(Duration::from_secs(4)));
}

#[test]
fn a_pod_that_waits_says_so_without_a_name_and_tells_it_once() {
    let pod = asking(&["mountains"]);
    let wanted = look(&pod, &BTreeMap::new(), LONG);
    assert_eq!(
        wanted.results,
        BTreeMap::from([(STATUS.to_owned(), r#"{"mountains":{"state":"waiting"}}"#.to_owned())])
    );
    assert_eq!(wanted.news, [News::Waiting { pool: pool("mountains") }]);
    let again = look(&after(&pod, &wanted), &BTreeMap::new(), LONG);
    assert!(again.news.is_empty());
    // A restarted mirror starts to count from zero, and takes nothing back.
    let restarted = look(&after(&pod, &wanted), &BTreeMap::new(), Duration::ZERO);
    assert_eq!(restarted.results, wanted.results);
}

#[test]
fn of_two_pools_one_may_be_held_while_the_other_is_waited_for() {
    let pod = asking(&["mountains", "snowflake"]);
    let wanted = look(&pod, &denali(7), LONG);
    assert_eq!(wanted.results[CLAIM], "Denali");
    assert!(!wanted.results.contains_key("claim.cairn.dev/snowflake"));
    assert!(wanted.results[STATUS].ends_with(r#","snowflake":{"state":"waiting"}}"#));
}

#[test]
fn a_claim_that_has_gone_is_not_called_lost_at_once() {
    let pod = after(&asking(&["mountains"]), &look(&asking(&["mountains"]), &denali(7), LONG));
    let wanted = look(&pod, &BTreeMap::new(), Duration::from_secs(4));
    assert_eq!(wanted.again_in, Some(Duration::from_secs(6)));
    assert_eq!(patch("u1", &pod, &wanted.results), None);
}

#[test]
fn a_lost_name_stays_where_the_pool_keeps_it_and_goes_where_it_stops() {
    for (name, kept) in [("mountains", true), ("snowflake", false)] {
        let claims = BTreeMap::from([(pool(name), denali(7).remove(&pool("mountains")).unwrap())]);
        let pod = asking(&[name]);
        let pod = after(&pod, &look(&pod, &claims, LONG));
        let wanted = look(&pod, &BTreeMap::new(), LONG);
        assert_eq!(wanted.results.contains_key(&format!("claim.cairn.dev/{name}")), kept);
        assert!(wanted.results[STATUS].contains(r#""name":"Denali","fence":"5-7","state":"lost""#));
        assert_eq!(wanted.news, [News::Lost { pool: pool(name), name: "Denali".into(), kept }]);
        // It stays lost, and is told once.
        let pod = after(&pod, &wanted);
        let again = look(&pod, &BTreeMap::new(), Duration::ZERO);
        assert_eq!((again.results, again.news), (wanted.results, Vec::new()));
    }
}

#[test]
fn a_claim_with_a_new_fence_is_told_again() {
    let pod = asking(&["mountains"]);
    let pod = after(&pod, &look(&pod, &denali(7), LONG));
    let wanted = look(&pod, &denali(9), LONG);
    assert!(matches!(&wanted.news[..], [News::Claimed { fence, .. }] if fence == "5-9"));
    let written = patch("u1", &pod, &wanted.results).unwrap();
    // The name is the same and is not written again.
    assert!(written["metadata"]["annotations"].get(CLAIM).is_none());
    assert_eq!(written["metadata"]["uid"], "u1");
}

#[test]
fn what_others_wrote_into_our_annotations_is_healed() {
    let mut pod = asking(&["mountains"]);
    pod.results = BTreeMap::from(
        [(CLAIM, "K2"), ("claim.cairn.dev/tea", "assam"), (STATUS, "not json")]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let wanted = look(&pod, &denali(7), LONG);
    let patch = patch("u1", &pod, &wanted.results).unwrap();
    let annotations = &patch["metadata"]["annotations"];
    assert_eq!(annotations[CLAIM], "Denali");
    assert_eq!(annotations["claim.cairn.dev/tea"], Value::Null);
    assert!(annotations[STATUS].as_str().unwrap().contains("held"));
}

#[test]
fn a_name_that_somebody_else_wrote_on_a_waiting_pod_is_taken_off() {
    let mut pod = asking(&["mountains"]);
    pod.results.insert(CLAIM.into(), "K2".into());
    let wanted = look(&pod, &BTreeMap::new(), LONG);
    let patch = patch("u1", &pod, &wanted.results).unwrap();
    assert_eq!(patch["metadata"]["annotations"][CLAIM], Value::Null);
    assert_eq!(wanted.news, [News::Waiting { pool: pool("mountains") }]);
}
