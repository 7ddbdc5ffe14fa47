//! `cairn-sidecar run`: starts a program once every claim is held, and stops it before the deadline of a `Stop` claim.
//!
//! The claims outlive the program: at a shutdown the program ends first, then the claims are released. The program
//! never outlives this process ([`tether`]), so no second process of the program can start beside it.
//!
//! Not for pods: there the kubelet starts and stops the app.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::identity;
use cairn_core::time::BootInstant;
use cairn_kit::clock::Clock;
use cairn_kit::errors::report;
use cairn_kit::exit::Exit;
use cairn_kit::shutdown::{self, Shutdown};
use tokio::time::sleep;
use tracing::{error, info};

use self::child::{Child, Ended};
use self::deadline::Deadline;
use crate::applied::Watch;
use crate::claim::Deps;
use crate::config::Config;
use crate::{app, drive};

pub mod child;
pub mod deadline;
pub mod tether;

/// A machine that was suspended has a later boot-time clock than its timers assume, so they are compared this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// How long it may take to end after SIGTERM, before it gets SIGKILL.
    pub grace: Duration,
}

/// Why the program was asked to end.
enum Asked {
    /// The shutdown has begun.
    Shutdown,
    /// A claim may not be used any more; why.
    Lost(String),
}

/// How the program ended.
enum End {
    /// By itself, or after the shutdown.
    Exited(Ended),
    /// It had to be stopped, or could not be started.
    Failed(String),
    /// It was never started, because the claims ended before.
    NotStarted,
}

/// Claims, runs the program, and returns its exit code. A program that had to be stopped counts as failed.
pub async fn run(
    config: Arc<Config>,
    program: Program,
    clock: Arc<dyn Clock>,
    signals: Shutdown,
) -> ExitCode {
    let bound = match app::build(config, Arc::clone(&clock)).await {
        Ok(bound) => bound,
        Err(failure) => {
            error!("{}", report(&failure));
            return Exit::Failed.into();
        }
    };
    let (trigger, ending) = shutdown::channel();
    let applied = bound.applied();
    let mut claiming = Box::pin(bound.run(|deps: Deps| drive::run(deps), ending));
    let mut running = Box::pin(program.supervise(applied, &*clock, signals));
    let (exit, end) = tokio::select! {
        // The program notices that nothing is published any more.
        exit = &mut claiming => (exit, running.await),
        end = &mut running => {
            trigger.next();
            (claiming.await, end)
        }
    };
    match end {
        End::Exited(ended) => ended.code(),
        End::Failed(reason) => {
            error!("{reason}");
            exit.max(Exit::Failed).into()
        }
        End::NotStarted => exit.into(),
    }
}

// === impl Program ===

impl Program {
    async fn supervise(&self, mut applied: Watch, clock: &dyn Clock, signals: Shutdown) -> End {
        let first = tokio::select! {
            first = applied.wait_for(|applied| applied.held().is_ok()) => first.map(|it| Arc::clone(&it)),
            () = signals.draining() => return End::NotStarted,
        };
        let Ok(first) = first else { return End::NotStarted };
        let mut child =
            match Child::start(&self.command, identity::variables(&first.snapshot.identities())) {
                Ok(child) => child,
                Err(failure) => return End::Failed(report(&failure)),
            };
        info!(process = child.id(), "the program was started");
        let mut deadline = Deadline::new(self.grace);
        deadline.learn(&first.snapshot, clock.now().boot);
        let (mut asked, mut published, mut killed) = (None, true, false);
        loop {
            let now = clock.now().boot;
            if let Some(reason) = must_end(&applied, published, &deadline, now)
                && !matches!(asked, Some(Asked::Lost(_)))
            {
                child.terminate();
                deadline.limit(now);
                asked = Some(Asked::Lost(reason));
            }
            if deadline.is_over(now) && !killed {
                child.kill();
                killed = true;
            }
            let pause = if killed { LONGEST_SLEEP } else { deadline.next(now).min(LONGEST_SLEEP) };
            tokio::select! {
                ended = child.ended() => return match asked {
                    Some(Asked::Lost(reason)) => End::Failed(format!("the program was stopped: {reason}")),
                    Some(Asked::Shutdown) | None => End::Exited(ended),
                },
                changed = applied.changed(), if published => {
                    published = changed.is_ok();
                    deadline.learn(&applied.borrow_and_update().snapshot, clock.now().boot);
                }
                () = signals.draining(), if asked.is_none() => {
                    child.terminate();
                    asked = Some(Asked::Shutdown);
                }
                // Whoever sends the first signal decides by the second how long the program may take.
                () = signals.aborting(), if asked.is_some() && !killed => {
                    child.kill();
                    killed = true;
                }
                () = sleep(pause) => {}
            }
        }
    }
}

/// Why the program must not run any longer.
fn must_end(
    applied: &Watch,
    published: bool,
    deadline: &Deadline,
    now: BootInstant,
) -> Option<String> {
    if !published {
        return Some("the claims have ended".to_owned());
    }
    let near = || deadline.is_near(now).then(|| "its claim was not renewed in time".to_owned());
    applied.borrow().app_alive().err().or_else(near)
}
