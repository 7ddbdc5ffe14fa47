//! The product's sidecar with its flags, on clocks and on a connection to etcd that the harness controls.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::lease::EndReason;
use cairn_faults::faulty::{Faulty, PodClock, Treatment};
use cairn_faults::variable;
use cairn_kit::exit::Exit;
use cairn_kit::{log, shutdown};
use cairn_sidecar::app;
use cairn_sidecar::args::Args;
use cairn_sidecar::claim::Deps;
use cairn_sidecar::claim::driver::Driver;
use cairn_sidecar::config::{Access, Config};
use cairn_store::Store;
use cairn_store::etcd::{Connection, Etcd};
use clap::Parser as _;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    match run() {
        Ok(exit) => exit.into(),
        Err(message) => {
            eprintln!("faulty-sidecar: {message}");
            Exit::Usage.into()
        }
    }
}

fn run() -> Result<Exit, String> {
    let treatment = treatment()?;
    let args = Args::try_parse().map_err(|error| error.to_string())?;
    let config = Config::try_from(args.claim).map_err(|error| error.to_string())?;
    log::init(&config.log);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let exit = runtime.block_on(async {
        let shutdown = shutdown::on_signals().map_err(|error| format!("no signals: {error}"))?;
        let clock = Arc::new(PodClock(treatment.control.clone()));
        let driver = |deps| drive(deps, treatment.clone());
        Ok(app::run(Arc::new(config), clock, driver, shutdown).await)
    });
    runtime.shutdown_background();
    exit
}

/// Does what `cairn_sidecar::claim::run` does, on the faulty connection.
async fn drive(deps: Deps, treatment: Treatment) -> EndReason {
    let request_timeout = treatment.patience;
    let Access::Direct(target) = &deps.config.access else {
        return EndReason::Failed("the histories run without an agent; give --etcd".to_owned());
    };
    let connection = Connection { request_timeout, ..target.connection() };
    match Etcd::open(&connection).await {
        Ok(etcd) => {
            let store = Store::new(Faulty::new(etcd, treatment));
            Driver::new(&deps, store).run(&deps).await
        }
        Err(error) => EndReason::Failed(error.report()),
    }
}

fn treatment() -> Result<Treatment, String> {
    let text = |key: &str| env::var(key).map_err(|_| format!("{key} is not set"));
    let millis = |key: &str| -> Result<Duration, String> {
        let number = text(key)?.parse().map_err(|_| format!("{key} is not a number"))?;
        Ok(Duration::from_millis(number))
    };
    let bug = match text(variable::BUG)?.as_str() {
        "" => None,
        name => Some(name.parse()?),
    };
    Ok(Treatment {
        control: PathBuf::from(text(variable::CONTROL)?),
        bug,
        lease: millis(variable::LEASE_MS)?,
        patience: millis(variable::PATIENCE_MS)?,
    })
}
