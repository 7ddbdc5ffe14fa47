//! What a pod costs an API server, by its own metrics, and the machine.

use std::time::Duration;

use cairn_bench::cpu;

use super::BenchError;
use super::driver::{Created, Rate};
use crate::api_server::ApiServer;
use crate::api_server::client::Kubernetes;
use crate::api_server::metrics::Reading;

/// The mutating webhook that Cairn has for pods.
const WEBHOOK: &str = "inject.cairn.dev";

/// What one run cost. Times are means of a pod in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// In the API server, from the first byte of the request to the last one of the answer.
    pub request: f64,
    /// Of it, calls of Cairn's webhook, until their answers are there.
    pub calls: f64,
    /// Of it, mutating webhooks besides: match conditions, and applying the patch.
    pub mutating: f64,
    /// Of it, all validating policies.
    pub policies: f64,
    /// Of it, all other admission.
    pub others: f64,
    /// How often Cairn's webhook was called.
    pub called: f64,
    /// CPU time of the API server.
    pub api_server: f64,
    /// CPU time of the webhook.
    pub webhook: f64,
    /// CPU time of the client.
    pub client: f64,
    /// How much of all CPUs was in use, by whomever.
    pub busy: f64,
}

/// Reads what is needed before and after a run.
#[derive(Clone, Copy, Debug)]
pub struct Meter<'a> {
    /// What is asked for its metrics.
    pub api_server: &'a ApiServer,
    /// The process of the webhook, if there is one.
    pub webhook: Option<u32>,
}

struct Seen {
    reading: Reading,
    api_server: Duration,
    webhook: Duration,
    client: Duration,
    machine: Machine,
}

/// CPU time of all processors since the start, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Machine {
    busy: u64,
    all: u64,
}

// === impl Meter ===

impl Meter<'_> {
    /// Runs it, and says what became of the pods and what they cost.
    pub async fn around(
        self,
        rate: Rate,
        run: impl Future<Output = Result<Created, BenchError>>,
    ) -> Result<(Created, Cost), BenchError> {
        let before = self.look().await?;
        let created = run.await?;
        let after = self.look().await?;
        Ok((created, Cost::between(&before, &after, f64::from(rate.pods))))
    }

    async fn look(self) -> Result<Seen, BenchError> {
        let failed = BenchError::setup("the metrics of the API server");
        let kubernetes: &Kubernetes = self.api_server.kubernetes();
        let text = kubernetes.text("/metrics").await.map_err(|error| failed(Box::new(error)))?;
        Ok(Seen {
            reading: Reading::parse(&text),
            api_server: cpu::used(self.api_server.pid()),
            webhook: self.webhook.map(cpu::used).unwrap_or_default(),
            client: cpu::used(std::process::id()),
            machine: Machine::now(),
        })
    }
}

// === impl Cost ===

impl Cost {
    fn between(before: &Seen, after: &Seen, pods: f64) -> Self {
        let grown = |name: &str, labels: &[(&str, &str)]| {
            after.reading.sum(name, labels) - before.reading.sum(name, labels)
        };
        let millis = |name: &str, labels: &[(&str, &str)]| grown(name, labels) * 1_000.0 / pods;
        let plugin = |name: &str| {
            let metric = "apiserver_admission_controller_admission_duration_seconds_sum";
            millis(metric, &[("name", name), ("operation", "CREATE")])
        };
        let of_webhook = [("name", WEBHOOK)];
        let calls =
            millis("apiserver_admission_webhook_admission_duration_seconds_sum", &of_webhook);
        let called =
            grown("apiserver_admission_webhook_admission_duration_seconds_count", &of_webhook);
        let admission = millis(
            "apiserver_admission_step_admission_duration_seconds_sum",
            &[("operation", "CREATE")],
        );
        let (mutating, policies) =
            (plugin("MutatingAdmissionWebhook"), plugin("ValidatingAdmissionPolicy"));
        let of_pods = [("verb", "POST"), ("resource", "pods")];
        let spent = |of: fn(&Seen) -> Duration| {
            of(after).saturating_sub(of(before)).as_secs_f64() * 1_000.0 / pods
        };
        Self {
            request: millis("apiserver_request_duration_seconds_sum", &of_pods),
            calls,
            mutating: mutating - calls,
            policies,
            others: admission - mutating - policies,
            called: called / pods,
            api_server: spent(|seen| seen.api_server),
            webhook: spent(|seen| seen.webhook),
            client: spent(|seen| seen.client),
            busy: after.machine.since(before.machine),
        }
    }
}

// === impl Machine ===

impl Machine {
    fn now() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// From the first line of `/proc/stat`: user, nice, system, idle, waiting for disks, and others that are busy.
    fn parse(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        let ticks = line.split_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = ticks.filter_map(|ticks| ticks.parse().ok()).collect();
        let all = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Self { busy: all - idle, all }
    }

    /// The share that was busy meanwhile.
    fn since(self, before: Self) -> f64 {
        let ticks = |now: u64, before: u64| {
            u32::try_from(now.saturating_sub(before)).map_or(f64::NAN, f64::from)
        };
        ticks(self.busy, before.busy) / ticks(self.all, before.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_that_idle_or_wait_are_not_busy() {
        let before = Machine::parse("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 2 3\n");
        assert_eq!(before, Machine { busy: 20, all: 100 });
        let after = Machine::parse("cpu  30 0 20 140 10 0 0 0 0 0\n");
        assert_eq!((after.since(before),), (0.3,));
    }
}
