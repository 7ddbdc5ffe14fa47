//! `cairn bench herd`: many pods at once on the user's own etcd, in a scratch place that is removed
//! again, also after an interruption.

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::etcd::EtcdArgs;
use cairn_kit::exit::Exit;
use cairn_store::Class;
use cairn_store::etcd::Etcd;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::HerdArgs;
use crate::etcd::{self, EtcdError};
use crate::report::Report;
use crate::table::Table;

pub mod figures;
pub mod herd;
pub mod hold_mode;
pub mod pod;
pub mod race;
pub mod scratch;

use figures::{Figures, ratio};
use herd::{Ground, Herd};
use scratch::SCRATCH;

/// Machines share connections, as pods do not: a thousand of them would measure the opening of
/// connections. With so many, none is the bottleneck.
pub const CONNECTIONS: usize = 16;

/// A herd that takes longer shows what is wrong without its end.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the command.
pub async fn run(args: &HerdArgs) -> Result<Report, EtcdError> {
    let names = args.pool_size.unwrap_or(args.pods);
    let herd = if names < args.pods {
        Herd::handing_on(args.pods, names)
    } else {
        Herd { names, ..Herd::of(args.pods) }
    };
    // The scratch place lies beside every installation, whatever prefix that has.
    let args =
        &HerdArgs { etcd: EtcdArgs { etcd_prefix: None, ..args.etcd.clone() }, ..args.clone() };
    let (first, _) = etcd::connect(&args.etcd).await?;
    let mut others = Vec::with_capacity(CONNECTIONS);
    for _ in 1..CONNECTIONS {
        others.push(Arc::new(etcd::connect(&args.etcd).await?.0));
    }
    let ground = match Ground::new(Arc::new(first), others, herd) {
        Ok(ground) => ground,
        Err(error) => return Ok(failure(error.to_string(), Exit::Usage)),
    };
    let measured = tokio::select! {
        measured = measure(&ground, herd) => measured,
        () = interrupted() => Ok(failure("interrupted".to_owned(), Exit::Failed)),
    };
    let cleared = tokio::select! {
        cleared = ground.scratch().clear() => cleared.map_err(|error| error.report()),
        () = interrupted() => Err("interrupted again".to_owned()),
    };
    let mut report = measured?;
    if let Err(why) = cleared {
        let root = ground.scratch().root();
        let sentence = format!(
            "{why}; remove what is left with: etcdctl del --prefix {root} (leases run out by themselves)"
        );
        report.trouble.push(sentence);
        report.exit = Exit::Failed;
    }
    Ok(report)
}

async fn measure(ground: &Ground<Arc<Etcd>>, herd: Herd) -> Result<Report, EtcdError> {
    match ground.prepare().await {
        Ok(()) => {}
        Err(error) if error.class() == Class::Denied => {
            let sentence = format!(
                "{}; give --etcd-cert and --etcd-key of a user who may read and write {SCRATCH}",
                error.report()
            );
            return Ok(failure(sentence, Exit::Failed));
        }
        Err(error) => return Err(EtcdError::Unreachable(error)),
    }
    let before = ground.scratch().writes();
    let mut race = ground.start();
    let finished = race.finish(LIMIT).await;
    let writes = ground.scratch().writes() - before;
    let figures = Figures::of(race.courses());
    race.stop().await;
    let mut report = Report { text: print(&figures, herd, writes), ..Report::default() };
    if figures.failures > 0 {
        report.trouble.push(format!(
            "{} requests had no good answer and were tried again; this etcd was short of something",
            figures.failures
        ));
    }
    if !finished {
        report.trouble.push(format!(
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
    // Who hands on takes what comes free, in the order of tickets, not of names.
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
    table.print()
}

fn failure(sentence: String, exit: Exit) -> Report {
    Report { trouble: vec![sentence], exit, ..Report::default() }
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
