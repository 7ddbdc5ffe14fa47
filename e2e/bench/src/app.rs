//! From the command line to tables, and to files where that was asked for.

use std::path::{Path, PathBuf};
use std::{fs, io};

use cairn_cli::clock;
use thiserror::Error;

use crate::args::{Args, What};
use crate::claims::{self, MeasureError};
use crate::machine;
use crate::members::{Members, MembersError};
use crate::page::{self, Facts};
use crate::plot::{self, PlotError};
use crate::sheet::Sheet;
use crate::steady::{self, SteadyError};

/// Why there is no result.
#[derive(Debug, Error)]
pub enum AppError {
    /// The claims.
    #[error("could not measure claims")]
    Claims(#[from] MeasureError),
    /// The held claims.
    #[error(transparent)]
    Steady(#[from] SteadyError),
    /// etcd does not tell its version.
    #[error("could not ask etcd for its version")]
    Version(#[from] MembersError),
    /// The plot.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A file.
    #[error("could not write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Measures, prints and writes.
pub async fn run(args: &Args) -> Result<(), AppError> {
    match &args.what {
        What::Claims(args) => show(&Sheet::claims(&claims::measure(args).await?)),
        What::Steady(args) => show(&[Sheet::steady(&steady::measure(args).await?)]),
        What::All { claims: args, steady, write } => {
            let claims = claims::measure(args).await?;
            let sheets = Sheet::claims(&claims);
            show(&sheets);
            let steady = Sheet::steady(&steady::measure(steady).await?);
            show(std::slice::from_ref(&steady));
            if let Some(dir) = write {
                let facts = Facts {
                    date: clock::now().wall.to_string().chars().take(10).collect(),
                    machine: machine::words(),
                    etcd: Members::start(1).await?.version().await,
                    limit: args.limit,
                };
                save(&dir.join("claims.svg"), &plot::draw(&claims.herds)?)?;
                save(&dir.join("benchmarks.md"), &page::write(&facts, &sheets, &steady))?;
            }
        }
    }
    Ok(())
}

fn show(sheets: &[Sheet]) {
    for sheet in sheets {
        println!("{}", sheet.text());
    }
}

fn save(path: &Path, text: &str) -> Result<(), AppError> {
    fs::write(path, text).map_err(|source| AppError::Write { path: path.to_owned(), source })
}
