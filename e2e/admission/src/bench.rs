//! The benchmark of admission: Cairn's handler beside one that reads the pod into typed structs, changes them and
//! compares, as injectors commonly do. Both run in the same server, behind the same TLS, in the same run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub mod alone;
pub mod app;
pub mod client;
pub mod cost;
pub mod creations;
pub mod driver;
pub mod figures;
pub mod handler;
pub mod page;
pub mod plot;
pub mod pods;
pub mod server;
pub mod tables;
pub mod typed;
pub mod whole;

/// The two handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Cairn's.
    Cairn,
    /// The one with typed structs.
    Typed,
}

/// The two pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As most pods are: 12 variables.
    Small,
    /// 2,000 variables.
    Large,
}

/// Percentiles of times, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Half of them were shorter.
    pub p50: f64,
    /// One of a hundred was longer.
    pub p99: f64,
}

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The setup of a part.
    #[error("could not set up {0}")]
    Setup(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// A request had no answer, or a wrong one.
    #[error("a review was not answered with a patch: {0}")]
    Answer(String),
    /// The connection or the process.
    #[error("the server does not answer")]
    Io(#[from] std::io::Error),
    /// The page or the plot.
    #[error("could not write {}", .0.display())]
    Write(PathBuf, #[source] std::io::Error),
    /// The plot.
    #[error(transparent)]
    Plot(#[from] cairn_bench::plot::PlotError),
}

// === impl Kind ===

impl Kind {
    /// Both, in the order of the tables.
    pub const ALL: [Self; 2] = [Self::Cairn, Self::Typed];

    /// In tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cairn => "Cairn",
            Self::Typed => "typed structs",
        }
    }
}

// === impl Size ===

impl Size {
    /// Both, in the order of the tables.
    pub const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// In tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "12 variables",
            Self::Large => "2,000 variables",
        }
    }

    /// The number of the pod's variables.
    pub fn variables(self) -> usize {
        match self {
            Self::Small => 12,
            Self::Large => 2_000,
        }
    }
}

// === impl Times ===

impl Times {
    /// Of these times in microseconds.
    pub fn of(mut micros: Vec<f64>) -> Self {
        micros.sort_by(f64::total_cmp);
        let at = |share: usize| micros.get(micros.len() * share / 100).copied().unwrap_or_default();
        Self { p50: at(50), p99: at(99) }
    }
}

// === impl BenchError ===

impl BenchError {
    /// The failed setup of a part.
    pub fn setup(
        part: &'static str,
    ) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Self {
        move |source| Self::Setup(part, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let times = Times::of((0..200).rev().map(f64::from).collect());
        assert_eq!((times.p50, times.p99), (100.0, 198.0));
        assert_eq!(Times::of(Vec::new()), Times::default());
    }
}
