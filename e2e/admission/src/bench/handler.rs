//! One of the two handlers behind the same interface.

use super::typed::Typed;
use super::{BenchError, Kind};
use crate::in_process::{self, InProcess};
use cairn_webhook::admission::Admission;

/// A handler of reviews.
#[derive(Debug)]
pub enum Handler {
    /// Cairn's.
    Cairn(Box<Admission>),
    /// The one to compare with.
    Typed(Box<Typed>),
}

// === impl Handler ===

impl Handler {
    /// Of a kind, with variables from annotations, which the structs of the typed one know.
    pub fn new(kind: Kind) -> Result<Self, BenchError> {
        let failed = BenchError::setup("the handlers");
        let of = || -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
            Ok(match kind {
                Kind::Cairn => {
                    Self::Cairn(Box::new(in_process::admission(false, in_process::catalog()?)))
                }
                Kind::Typed => {
                    let typed = Typed::new(&InProcess::new(false)?);
                    Self::Typed(Box::new(typed.ok_or("Cairn refuses the benchmark's own pod")?))
                }
            })
        };
        of().map_err(failed)
    }

    /// The bytes of the answer to the bytes of a review.
    pub async fn answer(&self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Cairn(admission) => admission.mutate(body).await,
            Self::Typed(typed) => typed.answer(body).unwrap_or_default(),
        }
    }
}
