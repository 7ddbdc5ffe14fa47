//! The webhook's Deployment: scales it to zero and back, and gives it other settings for a while.

use crate::cluster::Cluster;
use crate::manifest::App;
use crate::situation::Situation;
use crate::wait::{Seen, secs, until};
use crate::{Done, Failure};

/// The namespace of Cairn.
pub const NAMESPACE: &str = "cairn-system";
/// The name of the webhook's Deployment.
pub const WEBHOOK: &str = "cairn-webhook";

/// No webhook runs, so there is no admission, and no agent to enrol with.
pub static AWAY: Situation = Situation::new("without the webhook", |cluster| {
    Ok(Box::new(Webhook::of(cluster).take_away()?))
});

/// The webhook's Deployment.
#[derive(Clone, Debug)]
pub struct Webhook {
    cluster: Cluster,
}

/// No webhook runs. It is scaled up again when this is dropped.
#[derive(Debug)]
struct Away(Webhook);

/// The webhook runs with another setting. It gets back the usual one when this is dropped.
#[derive(Debug)]
pub struct Changed(Option<(Webhook, String)>);

impl Webhook {
    /// The webhook of this cluster.
    pub fn of(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone() }
    }

    /// Scales it to zero and waits until its pods are gone.
    fn take_away(&self) -> Result<Away, Failure> {
        let away = Away(self.clone());
        self.scale(0)?;
        let selector = "app.kubernetes.io/component=webhook";
        self.kubectl(&["wait", "--for=delete", "pod", "-l", selector, "--timeout=60s"])?;
        Ok(away)
    }

    /// Restarts it with this environment variable and waits until it answers.
    pub fn with_variable(&self, name: &str, value: &str) -> Result<Changed, Failure> {
        let changed = Changed(Some((self.clone(), name.to_owned())));
        self.set(&format!("{name}={value}"))?;
        Ok(changed)
    }

    /// Waits until an opted-in pod is admitted. Ready webhook pods are not enough: kube-proxy learns the endpoints of
    /// the Service a little later.
    pub fn answers(&self) -> Done {
        let pod = App::claiming("probe", "mountains").pod().to_string();
        until("an opted-in pod is admitted", secs(60), || {
            let args = ["-n", "default", "create", "--dry-run=server", "-f", "-"];
            Ok(match self.cluster.kubectl_with(&args, &pod)?.ok() {
                Ok(_) => Seen::Yes(()),
                Err(failure) => Seen::NotYet(failure.to_string()),
            })
        })
    }

    fn scale(&self, replicas: u32) -> Done {
        self.kubectl(&["scale", &deployment(), &format!("--replicas={replicas}")])
    }

    fn bring_back(&self) -> Done {
        self.scale(2)?;
        self.rolled_out()
    }

    fn set(&self, variable: &str) -> Done {
        self.kubectl(&["set", "env", &deployment(), variable])?;
        self.rolled_out()
    }

    fn rolled_out(&self) -> Done {
        self.kubectl(&["rollout", "status", &deployment(), "--timeout=90s"])?;
        self.answers()
    }

    fn kubectl(&self, args: &[&str]) -> Done {
        self.cluster.kubectl(&[&["-n", NAMESPACE], args].concat())?.ok().map(drop)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // The next test needs the webhook, also when an assertion of this one has failed.
        if let Err(failure) = self.0.bring_back() {
            eprintln!("cannot scale the webhook up again: {failure:?}");
        }
    }
}

impl Changed {
    /// Restarts it without the variable and waits until it answers.
    pub fn take_back(mut self) -> Done {
        self.0.take().map_or(Ok(()), |(webhook, name)| webhook.set(&format!("{name}-")))
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        let back = self.0.take().map(|(webhook, name)| webhook.set(&format!("{name}-")));
        if let Some(Err(failure)) = back {
            eprintln!("cannot give the webhook its usual settings again: {failure:?}");
        }
    }
}

fn deployment() -> String {
    format!("deployment/{WEBHOOK}")
}
