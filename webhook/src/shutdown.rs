//! Shutdown: the first SIGTERM or SIGINT drains, the second one ends the process at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

/// True once the process is to end.
pub type Shutdown = watch::Receiver<bool>;

/// Waits for the first signal; returns at once when nobody can send it any more.
pub async fn begun(shutdown: &mut Shutdown) {
    let _ = shutdown.wait_for(|begun| *begun).await;
}

/// Runs a task until it ends or the shutdown begins.
pub async fn until(shutdown: &mut Shutdown, task: impl Future<Output = ()>) {
    tokio::select! {
        () = begun(shutdown) => {}
        () = task => {}
    }
}

/// The signals of this process; the second receiver is true after a second signal.
pub fn on_signals() -> io::Result<(Shutdown, Shutdown)> {
    let (drain, draining) = watch::channel(false);
    let (abort, aborting) = watch::channel(false);
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if drain.send_replace(true) {
                abort.send_replace(true);
            }
            info!("asked to stop");
        }
    });
    Ok((draining, aborting))
}
