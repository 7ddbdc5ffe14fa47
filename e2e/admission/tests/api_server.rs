//! The corpus through a real API server that calls the real webhook, alone and beside a webhook that gets in its way.
//!
//! Everything is a dry run: it goes through all webhooks and policies, and nothing is stored.

#![allow(clippy::indexing_slicing, reason = "of JSON values: a field that is not there is null")]

use std::error::Error;
use std::path::Path;

use cairn_test_admission::api_server::client::Store;
use cairn_test_admission::corpus::{self, Expected, Place};
use cairn_test_admission::hostile::server::Hostile;
use cairn_test_admission::hostile::{self, Manner};
use cairn_test_admission::in_process::NAMESPACE;
use cairn_test_admission::install::{Installed, Program};
use cairn_test_admission::judge::{judge, references_resolve};
use cairn_test_admission::review::Answer;
use cairn_test_admission::workload;
use serde_json::Value;
use tokio::runtime::Builder;

type Done = Result<(), Box<dyn Error>>;

/// A program that does what the webhook does.
const PROGRAM: &str = env!("CARGO_BIN_EXE_cairn-admission");

#[test]
fn the_corpus_becomes_what_its_files_say_in_kubernetes() -> Done {
    with_cairn(async |cairn| {
        let wrong = for_every_pod(cairn, async |pod, expected| {
            let answer = cairn.kubernetes().create(pod, NAMESPACE, Store::DryRun).await?;
            judge(pod, &answer, expected)?;
            if let (Expected::Injected { .. }, Answer::Allowed(after, _)) = (expected, &answer) {
                // A copy of an injected pod keeps the order that it came with.
                if !pod["metadata"]["labels"]["cairn.dev/injected"].is_string() {
                    references_resolve(after)?;
                }
            }
            Ok(())
        });
        let wrong = wrong.await?;
        assert!(wrong.is_empty(), "alone:\n{}", wrong.join("\n"));
        // With the second one Cairn has the last word: it puts back what the structs have dropped.
        for (manner, again) in [(Manner::Reordering, true), (Manner::Retyping, false)] {
            let other = Hostile::start(cairn, manner, again).await?;
            let wrong = for_every_pod(cairn, async |pod, expected| {
                let answer = cairn.kubernetes().create(pod, NAMESPACE, Store::DryRun).await?;
                Ok(beside(pod, &answer, expected, manner)?)
            });
            let wrong = wrong.await?;
            assert!(wrong.is_empty(), "beside {manner:?}:\n{}", wrong.join("\n"));
            other.stop(cairn).await?;
        }
        Ok(())
    })
}

/// An API server with Cairn for the whole of a test.
fn with_cairn(test: impl AsyncFnOnce(&Installed) -> Done) -> Done {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let cairn = Installed::start(Program::OfTests(Path::new(PROGRAM)), 1).await?;
        println!("Kubernetes {}, files: {}", cairn.version().await?, cairn.files());
        test(&cairn).await
    })
}

/// What is wrong with which case. Workloads are created too, as dry runs, because Cairn may change them.
async fn for_every_pod(
    cairn: &Installed,
    check: impl AsyncFn(&Value, &Expected) -> Result<(), Box<dyn Error>>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut wrong = Vec::new();
    for case in corpus::all()? {
        let expected = case.expected(Place { files: cairn.files(), kubernetes: true });
        for object in &case.objects {
            match created(cairn, object).await {
                Ok(object) => {
                    if let Err(what) = check(&workload::pod(&object), expected).await {
                        wrong.push(format!("{}: {what}", case.name));
                    }
                }
                Err(what) => wrong.push(format!("{}: {what}", case.name)),
            }
        }
    }
    Ok(wrong)
}

/// A workload as it would be stored. A pod is itself.
async fn created(cairn: &Installed, object: &Value) -> Result<Value, Box<dyn Error>> {
    if object["kind"] == "Pod" {
        return Ok(object.clone());
    }
    match cairn.kubernetes().create(object, NAMESPACE, Store::DryRun).await? {
        Answer::Allowed(created, _) => Ok(created),
        Answer::Refused(message) => Err(format!("the workload was refused: {message}").into()),
    }
}

/// Beside another webhook every pod has that one's parts as well, and Cairn's are as right as alone.
fn beside(pod: &Value, answer: &Answer, expected: &Expected, manner: Manner) -> Result<(), String> {
    let hurt = hostile::change(pod, manner);
    let expected = match expected {
        Expected::Injected { containers, variables } => {
            let mut containers = containers.clone();
            if pod["metadata"]["annotations"]["cairn.dev/containers"].is_null() {
                containers.push(hostile::SIDECAR.to_owned());
            }
            Expected::Injected { containers, variables: *variables }
        }
        other => other.clone(),
    };
    judge(&hurt, answer, &expected)
}
