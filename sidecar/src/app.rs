//! Runs a sidecar from its configuration to its exit code.
//!
//! [`build`] binds and [`Bound::run`] runs, so that tests can bind port 0 and use their own driver. In a pod the
//! process does not exit before the first success: an early exit can block the pod's start, and only a running
//! sidecar can tell the startup probe what is wrong.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::lease::EndReason;
use cairn_kit::clock::Clock;
use cairn_kit::errors::report;
use cairn_kit::exit::Exit;
use cairn_kit::serve;
use cairn_kit::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::api::{self, guard::Guard};
use crate::applied::Applied;
use crate::claim::Deps;
use crate::config::Config;
use crate::publish::tree::Tree;
use crate::server::Serving;

pub use self::bound::{Bound, BuildError, build};

mod bound;
mod end;

/// How long a pod's sidecar waits before it retries a failed start.
const RETRY_PERIOD: Duration = Duration::from_secs(5);

/// Runs until the claims have ended. In a pod, a failed start is retried.
pub async fn run<D, F>(
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    driver: D,
    shutdown: Shutdown,
) -> Exit
where
    D: Fn(Deps) -> F,
    F: Future<Output = EndReason>,
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

/// Serves the socket in a directory and reports to every probe why there are no claims. Never returns.
pub async fn explain(dir: &Path, message: &str) {
    error!("{message}");
    let (_sender, applied) = watch::channel(Arc::new(Applied::failed(message)));
    let dir = dir.to_owned();
    let taken = spawn_blocking({
        let dir = dir.clone();
        move || Tree::open(&dir, &[])
    });
    let taken = match taken.await {
        // The tree keeps the lock while the socket is served.
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
            serving.socket(socket, api::router(applied, None, None, Guard::default()));
            std::future::pending::<()>().await;
        }
        Err(error) => {
            let dir = dir.display();
            warn!(error, %dir, "cannot bind the API socket; the startup probe cannot report a reason");
        }
    }
    std::future::pending::<()>().await;
}
