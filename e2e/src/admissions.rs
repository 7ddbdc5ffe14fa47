//! A load of admissions: opted-in pods that are created as dry runs, one after the other, all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::Failure;
use crate::manifest::App;
use crate::ns::Namespace;

/// Two at a time: an API server opens another connection for the second.
const STREAMS: usize = 2;
/// The pods of one call of `kubectl`, which takes longer to start than a pod takes to be admitted.
const BATCH: usize = 15;

/// What became of the pods.
#[derive(Debug, Default)]
pub struct Admissions {
    /// How many were admitted.
    pub admitted: usize,
    /// What `kubectl` said when not all were.
    pub refused: Vec<String>,
}

/// Creates opted-in pods while `test` runs.
pub fn during<T>(
    ns: &Namespace,
    test: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, Admissions), Failure> {
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let streams: Vec<_> =
            (0..STREAMS).map(|stream| scope.spawn(move || create(ns, stream, over))).collect();
        let outcome = test();
        over.store(true, Ordering::Relaxed);
        let mut all = Admissions::default();
        for stream in streams {
            let one = stream.join().unwrap_or_else(|_| Err(Failure::new("it panicked")))?;
            all.admitted += one.admitted;
            all.refused.extend(one.refused);
        }
        Ok((outcome?, all))
    })
}

fn create(ns: &Namespace, stream: usize, over: &AtomicBool) -> Result<Admissions, Failure> {
    let pods: Vec<_> = (0..BATCH)
        .map(|pod| App::claiming(&format!("load-{stream}-{pod}"), "mountains").pod())
        .collect();
    let batch = json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string();
    let args = ["-n", &ns.name, "create", "--dry-run=server", "-f", "-"];
    let mut all = Admissions::default();
    while !over.load(Ordering::Relaxed) {
        let output = ns.cluster.kubectl_with(&args, &batch)?;
        let created = output.stdout.lines().filter(|line| line.contains(" created ")).count();
        all.admitted += created;
        if created < BATCH {
            all.refused.push(output.stderr);
        }
    }
    Ok(all)
}
