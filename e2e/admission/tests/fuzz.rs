//! Arbitrary reviews, pods and annotations: no panic, always a valid review, and a patch that applies.
//!
//! `cargo test` runs the kept inputs of `__fuzz__` and some random ones. `cargo bolero test` looks for new inputs, see
//! e2e/admission/README.md.

use std::thread::LocalKey;

use cairn_test_admission::corpus;
use cairn_test_admission::in_process::{InProcess, NAMESPACE};
use cairn_test_admission::review::{self, Answer};
use cairn_test_admission::{mutation, workload};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// How many random inputs of each target, when `CAIRN_FUZZ_ITERATIONS` does not say it. Enough to see something, and a
/// few seconds in a debug build.
const ITERATIONS: usize = 2_000;

/// Larger pods say nothing new and take long.
const LARGEST: usize = 20_000;

thread_local! {
    static WITH_FILES: InProcess = InProcess::new(true).unwrap();
    static WITHOUT_FILES: InProcess = InProcess::new(false).unwrap();
    static PODS: Vec<Value> = pods();
    static DICTIONARY: Vec<Value> = mutation::dictionary();
}

#[test]
fn any_body_gets_a_valid_review() {
    bolero::check!().with_iterations(iterations()).for_each(|body: &[u8]| {
        // The object is whatever the review says it is.
        let review: Value = serde_json::from_slice(body).unwrap_or_default();
        WITH_FILES.with(|admission| {
            review::answer(&admission.post(body), &review["request"]["object"]).unwrap();
        });
    });
}

#[test]
fn a_damaged_pod_gets_a_patch_that_applies_once_or_a_refusal() {
    bolero::check!().with_iterations(iterations()).for_each(|bytes: &[u8]| {
        let pod = PODS.with(|pods| DICTIONARY.with(|words| mutation::pod(bytes, pods, words)));
        check(&WITH_FILES, &pod);
        check(&WITHOUT_FILES, &pod);
    });
}

/// Each line is an annotation: the key's number or the key, and the value.
#[test]
fn any_annotations_are_accepted_or_refused_with_words() {
    bolero::check!().with_iterations(iterations()).for_each(|text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        let pairs = text.lines().map(|line| {
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            let inputs = cairn_core::contract::annotation::INPUTS;
            let key = key.parse::<usize>().map_or(key, |number| inputs[number % inputs.len()]);
            (key.to_owned(), Value::from(value))
        });
        let annotations: serde_json::Map<String, Value> = pairs.collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": annotations},
            "spec": {"containers": [{"name": "app", "image": "a"}]},
        });
        check(&WITH_FILES, &pod);
    });
}

/// The answer is valid, its patch gives a pod that Kubernetes' structs take if they took the pod before, and a second
/// look finds nothing to do.
fn check(admission: &'static LocalKey<InProcess>, pod: &Value) {
    let body = review::body(pod, NAMESPACE, true);
    let answer = admission.with(|admission| review::answer(&admission.post(&body), pod)).unwrap();
    let Answer::Allowed(once, _) = answer else { return };
    if is_typed(pod) {
        assert!(is_typed(&once), "{pod}\nbecomes\n{once}");
    }
    let again = admission.with(|admission| admission.create(&once)).unwrap();
    match again {
        Answer::Allowed(twice, _) => assert_eq!(once, twice, "of {pod}"),
        Answer::Refused(message) => panic!("{once}\nis refused: {message}"),
    }
}

fn iterations() -> usize {
    std::env::var("CAIRN_FUZZ_ITERATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(ITERATIONS)
}

fn is_typed(pod: &Value) -> bool {
    serde_json::from_value::<Pod>(pod.clone()).is_ok()
}

fn pods() -> Vec<Value> {
    let cases = corpus::all().unwrap();
    let pods = cases.iter().flat_map(|case| &case.objects).map(workload::pod);
    pods.filter(|pod| pod.to_string().len() < LARGEST).collect()
}
