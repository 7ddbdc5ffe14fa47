//! The page `docs/admission-benchmarks.md`. All of its figures are from the run that writes it.

use super::figures::{Figures, With};
use super::tables::{alone, climbs, costs, created, highest, processors, served, targets};

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
    let (targets, alone, served) =
        (targets(figures).markdown(), alone(figures).markdown(), served(figures).markdown());
    let (created, costs) = (created(figures).markdown(), costs(figures).markdown());
    let (processors, climbs) = (processors(figures).markdown(), climbs(figures).markdown());
    let highest = highest_words(figures);
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
speed; *all of Cairn* is the program of the image, which is built for size. The small pod has 12 variables, the other
one 2,000. Requests come at their rate whether or not earlier ones are answered, and a time begins when its request is
due. There are 10 pods at one a second, 500 at 50 and 2,000 at 200; through an API server at most 200 with 2,000
variables.

{targets}
*In the handler* is measured behind its server while reviews come over TLS: from the body, which is there as a whole,
to the bytes of the answer. It contains reading the JSON, the decision, and writing the answer with its patch in
base64. TLS, HTTP, and waiting for a thread are outside of it. *Of a pod, through an API server* is the whole creation
of a pod with Cairn installed; the tables below say where that time goes.

{alone}
One review after the other on one thread. *Cold* is the same after a pause of 5 ms, as it is at 200 reviews a second,
and with 4 MiB of something else written meanwhile. The work is the same; cold caches are a likely reason for the
difference. Reallocations count as allocations; they are counted by another program, because counting takes time.

{served}
*Over TLS* is what a client sees on connections that it keeps. *RSS* is the server's process after that row.

{created}
Dry runs of `kubectl create`, without the write to etcd. *No Cairn* is the same pod without Cairn's annotations.
*Cairn's handler* and *typed structs* are the handlers alone behind their server. *All of Cairn* is the process of
`cairn-webhook` as in its image, with its watches, its RSS, and the policies of the chart; *not asked* is a pod
without Cairn's annotations beside it. *Failed* are creations that the API server gave up because it was too slow for
its own limits; times are those of the others. Every API server had created 500 pods before.

{costs}
Means of one pod with 12 variables, by the API server's metrics (`apiserver_request_duration_seconds`,
`apiserver_admission_webhook_admission_duration_seconds`, `apiserver_admission_controller_admission_duration_seconds`,
`apiserver_admission_step_admission_duration_seconds`). *Calls* last until the webhook's answer is there. *Other
mutating admission* evaluates match conditions and applies the patch. One call of the webhook for each pod means that
the API server did not ask it again. The validating webhook of the chart is about pools and is never called for pods.

{processors}
CPU time of each process, for one pod of the table above. *All CPUs in use* is the share of the whole machine, whoever
used it.

{climbs}
The small pod, four seconds at each rate, upwards until p99 was above 10 ms at two rates in a row. {highest}
"
    )
}

/// Up to which rates the target is met.
fn highest_words(figures: &Figures) -> String {
    let words = |with| {
        highest(figures, with)
            .map_or_else(|| "no rate".to_owned(), |rate| format!("{rate} a second"))
    };
    format!(
        "With all\nof Cairn, p99 stayed below 10 ms up to {}; without Cairn, up to {}.",
        words(With::All),
        words(With::Nothing)
    )
}
