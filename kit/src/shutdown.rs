//! Shutdown: the first SIGTERM or SIGINT drains, the second aborts.
//!
//! A [`Shutdown`] is cheap to clone and only ever moves forward. When every [`Trigger`] is gone
//! without having fired, nobody can ask for a shutdown any more, and waiting for one waits for ever.

use std::future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

/// How far the shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Draining,
    Aborting,
}

/// Tells when to stop.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

/// Asks for a shutdown.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Phase>);

/// A shutdown and the trigger that causes it.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger(sender), Shutdown(receiver))
}

/// A shutdown that the process's signals cause.
pub fn on_signals() -> io::Result<Shutdown> {
    let (trigger, shutdown) = channel();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => info!("SIGTERM received"),
                _ = int.recv() => info!("SIGINT received"),
            }
            trigger.next();
        }
    });
    Ok(shutdown)
}

// === impl Trigger ===

impl Trigger {
    /// One more signal.
    pub fn next(&self) {
        self.0.send_modify(|phase| {
            *phase = match phase {
                Phase::Running => Phase::Draining,
                Phase::Draining | Phase::Aborting => Phase::Aborting,
            };
        });
    }
}

// === impl Shutdown ===

impl Shutdown {
    /// Whether it has begun.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    /// Waits for the first signal.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Waits for the second signal.
    pub async fn aborting(&self) {
        self.reached(Phase::Aborting).await;
    }

    /// Runs a task until it ends or the shutdown begins.
    pub async fn cut_short(&self, task: impl Future<Output = ()>) {
        tokio::select! {
            () = self.draining() => {}
            () = task => {}
        }
    }

    async fn reached(&self, wanted: Phase) {
        let mut phase = self.0.clone();
        if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
            future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_drains_and_the_second_aborts() {
        let (trigger, shutdown) = channel();
        assert!(!shutdown.is_draining());
        trigger.next();
        shutdown.draining().await;
        assert!(shutdown.is_draining());
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, shutdown.aborting()).await.is_err());
        trigger.next();
        shutdown.aborting().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_trigger_is_not_a_shutdown() {
        let (trigger, shutdown) = channel();
        drop(trigger);
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, shutdown.draining()).await.is_err());
    }
}
