//! Runs what a configuration asks for, and says how it ended.
//!
//! [`build`] binds and [`Bound::run`] runs, so that tests do the same with port 0 and a driver of
//! their own. In a pod nothing ends before the first success: a sidecar that exits once before it
//! can wedge the pod, and only a running one can tell the probe what is wrong.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cairn_kit::clock::Clock;
use cairn_kit::errors::report;
use cairn_kit::exit::Exit;
use cairn_kit::serve;
use cairn_kit::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::api;
use crate::applied::Applied;
use crate::claim::{Deps, DriverEnd};
use crate::config::Config;
use crate::publish::tree::Tree;
use crate::server::Serving;

pub use self::bound::{Bound, BuildError, build};

mod bound;
mod outcome;

/// How long a pod's sidecar waits before it tries again what failed.
const RETRY_PERIOD: Duration = Duration::from_secs(5);

/// Runs a configuration until it ends; in a pod, tries again until the first success.
pub async fn run<D, F>(
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    driver: D,
    shutdown: Shutdown,
) -> Exit
where
    D: Fn(Deps) -> F,
    F: Future<Output = DriverEnd>,
{
    loop {
        let error = match build(Arc::clone(&config), Arc::clone(&clock)).await {
            Ok(bound) => return bound.run(&driver, shutdown).await,
            Err(error) => report(&error),
        };
        if !config.in_pod {
            error!("{error}");
            return Exit::Failed;
        }
        tokio::select! {
            () = explain(&config.dir, &error) => {}
            () = sleep(RETRY_PERIOD) => {}
            () = shutdown.draining() => return Exit::Failed,
        }
    }
}

/// Tells every probe of a directory's socket why there will be no claims; never returns.
pub async fn explain(dir: &Path, sentence: &str) {
    error!("{sentence}");
    let (_sender, applied) = watch::channel(Arc::new(Applied::failed(sentence)));
    let dir = dir.to_owned();
    let taken = spawn_blocking({
        let dir = dir.clone();
        move || Tree::open(&dir, &[])
    });
    let taken = match taken.await {
        // The tree is kept for as long as the socket in it is served.
        Ok(Ok(tree)) => match api::bind_socket(&dir) {
            Ok(socket) => Ok((tree, socket)),
            Err(error) => Err(error.to_string()),
        },
        Ok(Err(error)) => Err(report(&error)),
        Err(error) => Err(error.to_string()),
    };
    match taken {
        Ok((_tree, socket)) => {
            let mut serving = Serving::new(&serve::Metrics::default());
            serving.socket(socket, api::router(applied, None));
            std::future::pending::<()>().await;
        }
        Err(error) => {
            let dir = dir.display();
            warn!(error, %dir, "cannot bind the API socket; the startup probe cannot report a reason");
        }
    }
    std::future::pending::<()>().await;
}
