use cairn_core::claim::Fence;
use cairn_core::keys::ClaimPath;
use cairn_core::prefix::Template;
use cairn_core::time::UnixMillis;

use super::*;
use crate::mirror::pod::Results;

const STATUS: &str = "cairn.dev/status";
const CLAIM: &str = "claim.cairn.dev/mountains";
const PLACE: Place = Place { before: Some(2), exhausted: true };
const LONG: Duration = Duration::from_mins(1);

fn pool(name: &str) -> PoolName {
    name.parse().unwrap()
}

fn results(all: &[(&str, &str)]) -> Results {
    all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn asking(pools: &[&str]) -> Facts {
    let asked = pools.iter().map(|name| pool(name)).collect();
    Facts {
        name: "checkout-1".into(),
        shown: PodAnnotations { asked, results: Results::default() },
        group: Some("checkout".parse().unwrap()),
        prefix: None,
        group_hint: None,
        owner: None,
        life: Life::Runs,
    }
}

fn denali(revision: i64) -> BTreeMap<PoolName, Claim> {
    let scope = cairn_core::pool::Scope::Namespace;
    let claim = Claim {
        name: "Denali".into(),
        fence: Fence { epoch: 5, revision },
        since: UnixMillis(1_795_230_000_000),
        path: ClaimPath::new(pool("mountains"), scope, "shop", Some("checkout".parse().unwrap())),
        namespace: "shop".into(),
        node: "n".into(),
        template: Template::default(),
    };
    BTreeMap::from([(pool("mountains"), claim)])
}

/// What etcd says: of pool mountains names stay.
#[derive(Clone, Copy, Default)]
struct Says {
    missing: Duration,
    comes_back: bool,
    taken: bool,
}

impl Absent for Says {
    fn missing(&self, _: &PoolName) -> Duration {
        self.missing
    }

    fn keeps(&self, pool: &PoolName) -> bool {
        pool.as_str() == "mountains"
    }

    fn comes_back(&self, _: &PoolName) -> bool {
        self.comes_back
    }

    fn place(&self, _: &PoolName) -> Place {
        PLACE
    }

    fn is_anothers(&self, _: &PoolName, name: &str) -> bool {
        assert_eq!(name, "Denali");
        self.taken
    }
}

fn look(pod: &Facts, claims: &BTreeMap<PoolName, Claim>, missing: Duration) -> Desired {
    desired(pod, claims, &Says { missing, ..Says::default() })
}

/// The pod once what is wanted was written.
fn after(pod: &Facts, wanted: &Desired) -> Facts {
    let results = wanted.results.clone().into_iter().collect();
    let shown = PodAnnotations { asked: pod.shown.asked.clone(), results };
    Facts { shown, ..pod.clone() }
}

/// A pod that shows Denali.
fn showing() -> Facts {
    let pod = asking(&["mountains"]);
    after(&pod, &look(&pod, &denali(7), LONG))
}

fn keys(wanted: &Desired) -> Vec<&str> {
    wanted.results.keys().map(String::as_str).collect()
}

#[test]
fn a_held_claim_is_shown_as_name_and_status_and_published_once() {
    let pod = asking(&["mountains"]);
    let wanted = look(&pod, &denali(7), Duration::ZERO);
    assert_eq!(wanted.results[CLAIM], "Denali");
    assert_eq!(wanted.results["claim.cairn.dev/mountains.prefix"], "shop.checkout.Denali");
    assert_eq!(wanted.results["claim.cairn.dev/mountains.fence"], "5-7");
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
    assert_eq!(patch("u1", &pod.shown, &again.results), None);
}

#[test]
fn a_group_that_looks_generated_is_published_with_the_first_claim_only() {
    let hint = "set cairn.dev/group: mail".to_owned();
    let pod = Facts { group_hint: Some(hint.clone()), ..asking(&["mountains"]) };
    let expected = News::GroupLooksGenerated { hint };
    let waiting = look(&pod, &BTreeMap::new(), LONG);
    assert!(!waiting.news.contains(&expected), "nothing is claimed yet");
    for before in [pod.clone(), after(&pod, &waiting)] {
        let wanted = look(&before, &denali(7), Duration::ZERO);
        assert!(wanted.news.contains(&expected));
        let next = look(&after(&before, &wanted), &denali(8), Duration::ZERO);
        assert!(!next.news.contains(&expected), "{:?}", next.news);
    }
    let mut cluster = denali(7);
    for claim in cluster.values_mut() {
        claim.path.group = None;
    }
    assert!(!look(&pod, &cluster, Duration::ZERO).news.contains(&expected), "no group numbers it");
}

#[test]
fn a_pod_whose_claim_is_on_its_way_is_not_written_to() {
    let pod = asking(&["mountains"]);
    let wanted = look(&pod, &BTreeMap::new(), Duration::from_secs(1));
    assert_eq!(patch("u1", &pod.shown, &wanted.results), None);
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
    assert_eq!(wanted.news, [News::Waiting { pool: pool("mountains"), place: PLACE }]);
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
    assert_eq!(patch("u1", &pod.shown, &wanted.results), None);
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
fn a_claim_with_a_new_fence_is_published_again() {
    let pod = asking(&["mountains"]);
    let pod = after(&pod, &look(&pod, &denali(7), LONG));
    let wanted = look(&pod, &denali(9), LONG);
    assert!(matches!(&wanted.news[..], [News::Claimed { fence, .. }] if fence == "5-9"));
    let written = patch("u1", &pod.shown, &wanted.results).unwrap();
    // The name is the same and is not written again.
    assert!(written["metadata"]["annotations"].get(CLAIM).is_none());
    assert_eq!(written["metadata"]["uid"], "u1");
}

#[test]
fn what_others_wrote_into_our_annotations_is_healed() {
    let mut pod = asking(&["mountains"]);
    pod.shown.results =
        results(&[(CLAIM, "K2"), ("claim.cairn.dev/tea", "assam"), (STATUS, "not json")]);
    let wanted = look(&pod, &denali(7), LONG);
    let patch = patch("u1", &pod.shown, &wanted.results).unwrap();
    let annotations = &patch["metadata"]["annotations"];
    assert_eq!(annotations[CLAIM], "Denali");
    assert_eq!(annotations["claim.cairn.dev/tea"], Value::Null);
    assert!(annotations[STATUS].as_str().unwrap().contains("held"));
}

#[test]
fn a_name_that_others_wrote_on_a_waiting_pod_is_removed() {
    let mut pod = asking(&["mountains"]);
    pod.shown.results = results(&[(CLAIM, "K2")]);
    let wanted = look(&pod, &BTreeMap::new(), LONG);
    let patch = patch("u1", &pod.shown, &wanted.results).unwrap();
    assert_eq!(patch["metadata"]["annotations"][CLAIM], Value::Null);
    assert_eq!(wanted.news, [News::Waiting { pool: pool("mountains"), place: PLACE }]);
}

#[test]
fn a_pods_own_prefix_template_is_shown_filled_with_its_own_values() {
    let prefix = Template::parse("{node}.{pod}.{name}").unwrap();
    let pod = Facts { prefix: Some(prefix), ..asking(&["mountains"]) };
    let wanted = look(&pod, &denali(7), Duration::ZERO);
    assert_eq!(wanted.results["claim.cairn.dev/mountains.prefix"], "n.checkout-1.Denali");
}

#[test]
fn a_pod_that_has_ended_shows_no_name_whatever_etcd_says() {
    for claims in [denali(7), BTreeMap::new()] {
        let pod = Facts { life: Life::Ended, ..showing() };
        let wanted = look(&pod, &claims, Duration::ZERO);
        assert_eq!(keys(&wanted), [STATUS]);
        assert!(
            wanted.results[STATUS].contains(r#""name":"Denali","fence":"5-7","state":"ended""#)
        );
        assert_eq!((wanted.again_in, &wanted.news), (None, &Vec::new()));
        let again = look(&after(&pod, &wanted), &BTreeMap::new(), LONG);
        assert_eq!(again.results, wanted.results);
    }
    // One that never had a name is not written to.
    let pod = Facts { life: Life::Ended, ..asking(&["mountains"]) };
    assert_eq!(look(&pod, &BTreeMap::new(), LONG), Desired::default());
}

#[test]
fn a_pod_that_leaves_shows_its_name_until_it_has_given_it_up() {
    let pod = Facts { life: Life::Leaves, ..showing() };
    assert_eq!(after(&pod, &look(&pod, &denali(7), LONG)), pod);
    let waits = Says { comes_back: true, ..Says::default() };
    assert_eq!(after(&pod, &desired(&pod, &BTreeMap::new(), &waits)), pod);
    let wanted = look(&pod, &BTreeMap::new(), Duration::ZERO);
    assert_eq!(keys(&wanted), [STATUS]);
    assert!(wanted.results[STATUS].contains(r#""state":"ended""#));
    // One that never showed a name need not begin now.
    let pod = Facts { life: Life::Leaves, ..asking(&["mountains"]) };
    assert_eq!(look(&pod, &denali(7), LONG), Desired::default());
}

#[test]
fn a_name_that_its_pod_may_take_back_stays_on_it_however_long_that_takes() {
    let waits = Says { comes_back: true, missing: LONG, ..Says::default() };
    let wanted = desired(&showing(), &BTreeMap::new(), &waits);
    assert_eq!((after(&showing(), &wanted), wanted.news), (showing(), Vec::new()));
}

#[test]
fn a_name_that_another_pod_holds_is_taken_off_at_once_even_where_the_pool_keeps_it() {
    let taken = Says { taken: true, ..Says::default() };
    let wanted = desired(&showing(), &BTreeMap::new(), &taken);
    assert_eq!(keys(&wanted), [STATUS]);
    assert!(matches!(wanted.news[..], [News::Lost { kept: false, .. }]));
    // It does not come back when that pod has gone: the next one may have it already.
    let pod = after(&showing(), &wanted);
    let again = look(&pod, &BTreeMap::new(), LONG);
    assert_eq!((again.results, again.news), (wanted.results, Vec::new()));
}
