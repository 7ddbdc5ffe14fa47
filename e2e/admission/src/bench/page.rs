//! The page `docs/admission-benchmarks.md`. All of its figures are from the run that writes it.

use super::app::Figures;
use super::tables::{alone, created, served, targets};

/// What the page says about the run besides its figures.
#[derive(Clone, Debug)]
pub struct Facts {
    date: String,
    machine: String,
    load: String,
    kubernetes: String,
}

// === impl Facts ===

impl Facts {
    /// Of this machine, now.
    pub fn of(kubernetes: &str) -> Self {
        let now = cairn_kit::clock::now().wall.to_string();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            date: now.split('T').next().unwrap_or_default().to_owned(),
            machine: cairn_bench::machine::words(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            kubernetes: kubernetes.trim_start_matches('v').to_owned(),
        }
    }
}

/// The whole page.
pub fn write(facts: &Facts, figures: &Figures) -> String {
    let Facts { date, machine, load, kubernetes } = facts;
    let (alone, served) = (alone(figures).markdown(), served(figures).markdown());
    let (created, targets) = (created(figures).markdown(), targets(figures).markdown());
    format!(
        "# Benchmarks of admission

<!-- Written by `make bench-admission`; change e2e/admission instead. -->

Measured on {date} with Kubernetes {kubernetes} on {machine}. The handler's server, its client, the API server and etcd
share that machine; the load average was {load} before the last part. Run it again with

```sh
make bench-admission
```

![Time of a review over the rate of pods](admission.svg)

Reviews over TLS, both axes logarithmic; solid marks are p50, open ones p99.

## What is compared

- **Cairn**: the handler of `cairn-webhook`. It reads the few fields that it needs from the raw pod, decides, and writes
  operations.
- **Typed structs**: reads the pod into the structs of `k8s-openapi`, adds the same parts, writes pod and changed pod as
  JSON values and compares them with `json-patch`, as injectors commonly do. It decides nothing: no annotations are
  read, no pool is looked up. `json-patch` compares lists position by position, so a variable in front of 2,000 others
  changes all of them. An algorithm that finds insertions would be faster; *without the comparison* is the floor of any.

Both get the same reviews behind the same server (TLS, two threads) and answer with the same pod. Both are built for
speed; the image of `cairn-webhook` is built for size, which is not measured here. The small pod has 12 variables, the
other one 2,000. Requests come at their rate whether or not earlier ones are answered, and a time begins
when its request is due. There are 10 pods at one a second, 500 at 50 and 2,000 at 200; through an API server at most
200 with 2,000 variables.

{targets}
The handler is measured behind its server while reviews come over TLS. *Of a pod, through an API server* is the whole
creation of a pod with Cairn installed, most of which is the API server's own work; see the last table.

{alone}
One review after the other on one thread, so caches are warm. Reallocations count as allocations; they are counted by
another program, because counting takes time.

{served}
*In the handler* is from the read body to the written answer. *Over TLS* is what a client sees on connections that it
keeps. *RSS* is the server's process after that row.

{created}
Dry runs of `kubectl create`, without the write to etcd. *Without a webhook* is the same pod without Cairn's
annotations. *Cairn* and *typed structs* are the handlers alone behind their server. *All of Cairn* is the process of
`cairn-webhook` with its watches, its RSS, and the policies of the chart. *Failed* are creations that the API server
gave up because it was too slow for its own limits; times are those of the others. What a pod costs more than in the
handler is the API server's own: it writes and reads the pod for each call, and applies the patch. RSS includes the
file's pages: the benchmark's program holds more than `cairn-webhook` does, and is built for speed, not for size.
"
    )
}
