//! The whole of Cairn beside an API server: its webhook as a process, with its watches, and the policies of the chart.

use std::path::Path;

use super::app::{RATES, WARM_UP};
use super::driver::{Created, Rate, over_api_server};
use super::{BenchError, Size, pods};
use crate::install::Installed;

/// The figures of one pod and one rate.
#[derive(Clone, Copy, Debug)]
pub struct Whole {
    /// Which pod.
    pub size: Size,
    /// Pods in each second.
    pub rate: Rate,
    /// The creation of a pod.
    pub created: Created,
    /// Resident memory of the webhook's process afterwards, KiB.
    pub resident: u64,
}

/// Measures one replica of the webhook.
pub async fn measure(program: &Path) -> Result<Vec<Whole>, BenchError> {
    let setup = BenchError::setup("Cairn");
    let cairn = Installed::start(program, 1).await.map_err(|error| setup(Box::new(error)))?;
    over_api_server(cairn.kubernetes(), &pods::pod(Size::Small), true, WARM_UP).await?;
    let mut all = Vec::new();
    for size in Size::ALL {
        for rate in RATES {
            let of_size = rate.for_api_server(size);
            let created =
                over_api_server(cairn.kubernetes(), &pods::pod(size), true, of_size).await?;
            let resident = cairn.first_webhook().map_or(0, cairn_bench::cpu::resident);
            let whole = Whole { size, rate, created, resident };
            eprintln!("{whole:?}");
            all.push(whole);
        }
    }
    Ok(all)
}
