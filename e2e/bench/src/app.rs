//! Runs the measurements, prints their tables and writes the page and the plot of the documentation.

use std::path::{Path, PathBuf};
use std::{fs, io};

use cairn_kit::clock;
use thiserror::Error;

use crate::args::{Args, CoordinationArgs, FleetArgs, MirrorArgs, What};
use crate::claims::{self, MeasureError};
use crate::coordination::{self, CoordinationError, page as coordination_page, plots, tables};
use crate::fleet::{self, FleetError};
use crate::isolation::{self, IsolationError};
use crate::machine;
use crate::members::{Members, MembersError};
use crate::mirror::{self, MirrorError};
use crate::page::{self, Facts};
use crate::plot::{self, PlotError};
use crate::steady::{self, SteadyError};
use crate::table::Table;

/// Why a measurement failed.
#[derive(Debug, Error)]
pub enum AppError {
    /// Claims could not be measured.
    #[error("could not measure claims")]
    Claims(#[from] MeasureError),
    /// Held claims could not be measured.
    #[error(transparent)]
    Steady(#[from] SteadyError),
    /// The cost of authentication could not be measured.
    #[error("could not measure what authentication costs")]
    Isolation(#[from] IsolationError),
    /// Coordination could not be measured.
    #[error(transparent)]
    Coordination(#[from] CoordinationError),
    /// The large group could not be measured, or it broke a promise. The page is written, and says so.
    #[error("the large group failed: {0}")]
    LargeGroup(String),
    /// Many pods could not be measured.
    #[error("could not measure many pods")]
    Fleet(#[from] FleetError),
    /// The claims mirror could not be measured.
    #[error("could not measure the claims mirror")]
    Mirror(#[from] MirrorError),
    /// A pod lost its claim, a herd collapsed, or a target is missed. The page is written, and says so.
    #[error("{0}")]
    Broken(String),
    /// etcd's version could not be read.
    #[error("could not ask etcd for its version")]
    Version(#[from] MembersError),
    /// The plot could not be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A file could not be written.
    #[error("could not write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error.
        #[source]
        source: io::Error,
    },
}

/// Measures, prints and writes.
pub async fn run(args: &Args) -> Result<(), AppError> {
    match &args.what {
        What::Claims(args) => show(&Table::claims(&claims::measure(args).await?)),
        What::Steady(args) => show(&[Table::steady(&steady::measure(args).await?)]),
        What::Isolation => show(&[Table::isolation(&Box::pin(isolation::measure()).await?)]),
        What::Coordination(args) => Box::pin(coordinate(args)).await?,
        What::Fleet(args) => Box::pin(fleet(args)).await?,
        What::Mirror(args) => Box::pin(mirror(args)).await?,
        What::All { claims: args, steady, write } => {
            let claims = claims::measure(args).await?;
            let tables = Table::claims(&claims);
            show(&tables);
            let steady = Table::steady(&steady::measure(steady).await?);
            show(std::slice::from_ref(&steady));
            let isolation = Table::isolation(&Box::pin(isolation::measure()).await?);
            show(std::slice::from_ref(&isolation));
            if let Some(dir) = write {
                let facts = Facts {
                    date: clock::now().wall.to_string().chars().take(10).collect(),
                    machine: machine::words(),
                    etcd: Members::start(1).await?.version().await,
                    limit: args.limit,
                };
                save(&dir.join("claims.svg"), &plot::draw(&claims.herds)?)?;
                save(
                    &dir.join("benchmarks.md"),
                    &page::write(&facts, &tables, &steady, &isolation),
                )?;
            }
        }
    }
    Ok(())
}

async fn coordinate(args: &CoordinationArgs) -> Result<(), AppError> {
    let figures = coordination::measure(args).await?;
    let mut tables = tables::all(&figures);
    tables.retain(|table| !table.is_empty());
    show(&tables);
    if let Some(dir) = &args.write {
        let [handovers, lookups] = coordination_page::PLOTS;
        save(&dir.join(handovers), &plots::handovers(&figures)?)?;
        save(&dir.join(lookups), &plots::lookups(&figures)?)?;
        save(&dir.join("coordination-benchmarks.md"), &coordination_page::write(&figures))?;
    }
    figures.large_group().map_err(AppError::LargeGroup)
}

async fn fleet(args: &FleetArgs) -> Result<(), AppError> {
    let etcd = Members::start(1).await?;
    let version = etcd.version().await;
    // It must not run beside those that are measured.
    drop(etcd);
    let figures = fleet::page::Figures {
        date: clock::now().wall.to_string().chars().take(10).collect(),
        machine: machine::words(),
        etcd: version,
        rolling: match args.pods {
            0 => None,
            _ => Some(Box::pin(fleet::rolling::measure(args)).await?),
        },
        squeezed: Box::pin(fleet::squeezed::measure(args)).await?,
    };
    show(&fleet::page::tables(&figures));
    if let Some(dir) = &args.write {
        save(&dir.join("scale-benchmarks.md"), &fleet::page::write(&figures))?;
    }
    figures.judge().map_err(AppError::Broken)
}

async fn mirror(args: &MirrorArgs) -> Result<(), AppError> {
    let figures = mirror::measure(args).await?;
    show(&mirror::page::tables(&figures));
    if let Some(dir) = &args.write {
        save(&dir.join("mirror-benchmarks.md"), &mirror::page::write(&figures))?;
    }
    figures.judge().map_err(AppError::Broken)
}

fn show(tables: &[Table]) {
    for table in tables {
        println!("{}", table.text());
    }
}

fn save(path: &Path, text: &str) -> Result<(), AppError> {
    fs::write(path, text).map_err(|source| AppError::Write { path: path.to_owned(), source })
}
