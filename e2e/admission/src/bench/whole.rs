//! The whole of Cairn beside an API server: its webhook as a process, with its watches, and the policies of the chart.

use std::path::Path;

use super::cost::Meter;
use super::creations::{climb, once, warm_up};
use super::driver::RATES;
use super::figures::{Creation, Figures, With};
use super::{BenchError, Size};
use crate::install::{InstallError, Installed, Program, manifest};

/// Measures one replica of the webhook, which is this program.
pub async fn measure(webhook: &Path, figures: &mut Figures) -> Result<(), BenchError> {
    let failed = |error: InstallError| BenchError::Setup("Cairn", Box::new(error));
    let cairn = Installed::start(Program::Webhook(webhook), 1).await.map_err(failed)?;
    let meter = Meter { api_server: cairn.api_server(), webhook: cairn.first_webhook() };
    warm_up(meter, With::All).await?;
    for with in [With::NotAsking, With::All] {
        for rate in RATES {
            let creation = once(meter, with, Size::Small, rate).await?;
            figures.creations.push(Creation { resident: resident(&cairn, with), ..creation });
        }
    }
    figures.climbs.extend(climb(meter, With::All).await?);
    for rate in RATES {
        let rate = rate.for_api_server(Size::Large);
        let creation = once(meter, With::All, Size::Large, rate).await?;
        figures.creations.push(Creation { resident: resident(&cairn, With::All), ..creation });
    }
    forget_policies(&cairn).await.map_err(failed)?;
    warm_up(meter, With::NoPolicies).await?;
    for rate in RATES {
        figures.creations.push(once(meter, With::NoPolicies, Size::Small, rate).await?);
    }
    Ok(())
}

fn resident(cairn: &Installed, with: With) -> Option<u64> {
    cairn.first_webhook().filter(|_| with == With::All).map(cairn_bench::cpu::resident)
}

/// Deletes the policies, and what binds them. The API server looks for changes once a second.
async fn forget_policies(cairn: &Installed) -> Result<(), InstallError> {
    for object in manifest(0)? {
        let plural = match object["kind"].as_str() {
            Some("ValidatingAdmissionPolicy") => "validatingadmissionpolicies",
            Some("ValidatingAdmissionPolicyBinding") => "validatingadmissionpolicybindings",
            _ => continue,
        };
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}/{name}");
        cairn.kubernetes().delete(&path).await?;
    }
    Ok(())
}
