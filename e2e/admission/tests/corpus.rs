//! The corpus through Cairn's admission in this process, as it is and after another webhook.

use std::error::Error;

use cairn_test_admission::corpus::{self, Expected, Place};
use cairn_test_admission::hostile::{self, Manner};
use cairn_test_admission::in_process::InProcess;
use cairn_test_admission::judge::{judge, references_resolve};
use cairn_test_admission::review::Answer;
use cairn_test_admission::workload;
use serde_json::Value;

type Done = Result<(), Box<dyn Error>>;

/// Calls `check` with every pod of the corpus and what is expected of it, where files give variables and where not.
fn for_every_pod(
    check: impl Fn(&InProcess, &Value, &Expected) -> Result<(), Box<dyn Error>>,
) -> Done {
    let mut wrong = Vec::new();
    for files in [true, false] {
        let admission = InProcess::new(files)?;
        for case in corpus::all()? {
            let expected = case.expected(Place { files, kubernetes: false });
            for object in &case.objects {
                if let Err(what) = check(&admission, &workload::pod(object), expected) {
                    wrong.push(format!("{} (files: {files}): {what}", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The pod after admission; `None` if it was refused.
fn admitted(admission: &InProcess, pod: &Value) -> Result<Option<Value>, Box<dyn Error>> {
    Ok(match admission.create(pod)? {
        Answer::Allowed(pod, _) => Some(pod),
        Answer::Refused(_) => None,
    })
}

#[test]
fn the_corpus_has_every_outcome_many_times() -> Done {
    let cases = corpus::all()?;
    let place = Place { files: true, kubernetes: false };
    let count =
        |is: fn(&Expected) -> bool| cases.iter().filter(|case| is(case.expected(place))).count();
    assert!(count(|expected| matches!(expected, Expected::Injected { .. })) >= 60);
    assert!(count(|expected| matches!(expected, Expected::Refused(_))) >= 40);
    assert!(count(|expected| matches!(expected, Expected::Untouched | Expected::Stripped)) >= 5);
    Ok(())
}

#[test]
fn every_manifest_becomes_what_its_file_says() -> Done {
    for_every_pod(|admission, pod, expected| {
        let answer = admission.create(pod)?;
        judge(pod, &answer, expected)?;
        if let (Expected::Injected { .. }, Answer::Allowed(after, _)) = (expected, &answer) {
            // A copy of an injected pod keeps the order that it came with.
            if !pod["metadata"]["labels"]["cairn.dev/injected"].is_string() {
                references_resolve(after)?;
            }
        }
        Ok(())
    })
}

#[test]
fn a_pod_that_was_admitted_is_admitted_again_without_a_change() -> Done {
    for_every_pod(|admission, pod, _| {
        let Some(once) = admitted(admission, pod)? else { return Ok(()) };
        match admitted(admission, &once)? {
            Some(twice) if twice == once => Ok(()),
            other => Err(format!("changed to {other:?}").into()),
        }
    })
}

#[test]
fn an_admitted_pod_with_lists_in_another_order_needs_no_change() -> Done {
    for_every_pod(|admission, pod, expected| {
        let Some(mut once) = admitted(admission, pod)? else { return Ok(()) };
        hostile::reorder(&mut once);
        let answer = admission.create(&once)?;
        judge(pod, &answer, expected)?;
        match answer {
            Answer::Allowed(twice, _) if twice == once => Ok(()),
            other => Err(format!("changed to {other:?}").into()),
        }
    })
}

#[test]
fn a_pod_that_another_webhook_has_changed_is_right_after_the_second_look() -> Done {
    for manner in [Manner::Reordering, Manner::Retyping] {
        for_every_pod(|admission, pod, expected| {
            let Some(once) = admitted(admission, pod)? else { return Ok(()) };
            let hurt = hostile::change(&once, manner);
            let hurt_alone = hostile::change(pod, manner);
            let answer = admission.create(&hurt)?;
            judge(&hurt_alone, &answer, &beside_hostile(expected, pod))?;
            let Answer::Allowed(twice, _) = answer else { return Ok(()) };
            match admitted(admission, &twice)? {
                Some(thrice) if thrice == twice => Ok(()),
                other => Err(format!("{manner:?}: changed again to {other:?}").into()),
            }
        })?;
    }
    Ok(())
}

/// The containers of the other webhook get an identity as well, where the pod names none.
fn beside_hostile(expected: &Expected, pod: &Value) -> Expected {
    match expected {
        Expected::Injected { containers, variables } => {
            let mut containers = containers.clone();
            if pod["metadata"]["annotations"]["cairn.dev/containers"].is_null() {
                containers.push(hostile::SIDECAR.to_owned());
            }
            Expected::Injected { containers, variables: *variables }
        }
        other => other.clone(),
    }
}
