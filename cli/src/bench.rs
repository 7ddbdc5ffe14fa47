//! `cairn bench herd`: many pods that claim at once on the user's etcd, below a scratch prefix that is removed
//! afterwards, also after an interruption.

use std::sync::Arc;
use std::time::Duration;

use cairn_herd::CONNECTIONS;
use cairn_herd::figures::{Figures, ratio};
use cairn_herd::herd::{BenchEnv, Herd};
use cairn_herd::scratch::SCRATCH;
use cairn_kit::etcd::EtcdArgs;
use cairn_kit::exit::Exit;
use cairn_store::Class;
use cairn_store::etcd::Etcd;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::HerdArgs;
use crate::etcd::EtcdError;
use crate::output::Output;
use crate::progress::Progress;
use crate::reach::Reach;
use crate::report::Report;
use crate::table::Table;

/// After this time the measurement ends with a message.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the command.
pub async fn run(args: &HerdArgs) -> Result<Report, EtcdError> {
    let names = args.pool_size.unwrap_or(args.pods);
    let herd = if names < args.pods {
        Herd::handing_on(args.pods, names)
    } else {
        Herd { names, ..Herd::of(args.pods) }
    };
    // The scratch prefix is outside of every installation, whatever its prefix is.
    let args =
        &HerdArgs { etcd: EtcdArgs { etcd_prefix: None, ..args.etcd.clone() }, ..args.clone() };
    let first = Reach::at(&args.etcd).await?.into_etcd();
    let mut others = Vec::with_capacity(CONNECTIONS);
    for _ in 1..CONNECTIONS {
        others.push(Reach::at(&args.etcd).await?.into_etcd());
    }
    let env = match BenchEnv::new(first, others, herd) {
        Ok(env) => env,
        Err(error) => return Ok(failure(error.to_string(), Exit::Usage)),
    };
    let progress = Progress::say(&format!("{} pods claim", args.pods));
    let measured = tokio::select! {
        measured = measure(&env, herd) => measured,
        () = interrupted() => Ok(failure("interrupted".to_owned(), Exit::Failed)),
    };
    let cleared = tokio::select! {
        cleared = env.scratch().clear() => cleared.map_err(|error| error.report()),
        () = interrupted() => Err("interrupted again".to_owned()),
    };
    drop(progress);
    let mut report = measured?;
    if let Err(why) = cleared {
        let root = env.scratch().root();
        report.errors.push(format!(
            "{why}; remove the rest with: etcdctl del --prefix {root} (leases expire by themselves)"
        ));
        report.exit = Exit::Failed;
    }
    Ok(report)
}

async fn measure(env: &BenchEnv<Arc<Etcd>>, herd: Herd) -> Result<Report, EtcdError> {
    match env.prepare().await {
        Ok(()) => {}
        Err(error) if error.class() == Class::Denied => {
            let message = format!(
                "{}; give --etcd-cert and --etcd-key of a user who may read and write {SCRATCH}",
                error.report()
            );
            return Ok(failure(message, Exit::Failed));
        }
        Err(error) => return Err(EtcdError::Unreachable(error)),
    }
    let before = env.scratch().writes();
    let mut claimants = env.start();
    let finished = claimants.finish(LIMIT).await;
    let writes = env.scratch().writes() - before;
    let figures = Figures::of(claimants.results());
    claimants.stop().await;
    let mut report = Report { text: print(&figures, herd, writes), ..Report::default() };
    if figures.failures > 0 {
        report.errors.push(format!(
            "{} requests failed and were retried; etcd was overloaded (CPU, disk or network)",
            figures.failures
        ));
    }
    if !finished {
        report.errors.push(format!(
            "gave up after {LIMIT:?} with {} of {} names given; is this etcd busy, or its disk slow?",
            figures.held, figures.pods
        ));
        report.exit = Exit::Failed;
    }
    Ok(report)
}

fn print(figures: &Figures, herd: Herd, writes: u64) -> String {
    let mut table = Table::new([
        "PODS",
        "NAMES",
        "HELD",
        "SECONDS",
        "P50",
        "P99",
        "WRITES/CLAIM",
        "LOWEST-FIRST",
        "FIFO",
    ]);
    let seconds = |span: Duration| format!("{:.3}", span.as_secs_f64());
    let word = |good: bool| if good { "yes" } else { "NO" }.to_owned();
    // With fewer names than pods, each pod takes the name that becomes free, so the order of names means nothing.
    let kept = herd.names >= herd.pods;
    let if_kept = |good: bool| if kept { word(good) } else { String::new() };
    table.push([
        figures.pods.to_string(),
        herd.names.to_string(),
        figures.held.to_string(),
        seconds(figures.wall),
        seconds(figures.p50),
        seconds(figures.p99),
        format!("{:.2}", ratio(writes, figures.held)),
        if_kept(figures.lowest),
        if_kept(figures.in_order),
    ]);
    table.print(Output::Table)
}

fn failure(message: String, exit: Exit) -> Report {
    Report { errors: vec![message], exit, ..Report::default() }
}

/// Waits for the user's Ctrl-C, or for a SIGTERM.
async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        // An error means that there is nothing to wait for.
        Ok(()) = tokio::signal::ctrl_c() => {}
        Some(()) = terminate.recv() => {}
        else => std::future::pending().await,
    }
}
