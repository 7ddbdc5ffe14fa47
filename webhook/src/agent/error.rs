//! Why an enrolment was refused, and what the sidecar is told.

use cairn_kit::errors::report;
use thiserror::Error;
use tonic::{Code, Status};

use super::caller::ReviewError;
use super::credentials::IssueError;

/// Why an enrolment was refused.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// There is no token.
    #[error(
        "the request has no token; send `authorization: Bearer` with the pod's projected token"
    )]
    NoToken,
    /// The token is not a pod's.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// The namespace asks too often.
    #[error("namespace {0} asks for certificates too often; the sidecar tries again")]
    TooMany(String),
    /// Another installation of Cairn was here first.
    #[error("{0}")]
    NotInstalled(String),
    /// etcd's user or role could not be made.
    #[error("could not give the namespace access to etcd")]
    Access(#[from] cairn_store::Error),
    /// The certificate could not be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

// === impl EnrolError ===

impl EnrolError {
    /// Every word that [`Self::name`] may return.
    pub const NAMES: [&'static str; 6] = [
        "unauthenticated",
        "review_failed",
        "too_many",
        "not_installed",
        "access_failed",
        "issue_failed",
    ];

    /// The word in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoToken | Self::Review(ReviewError::Refused(_) | ReviewError::NotPod) => {
                "unauthenticated"
            }
            Self::Review(ReviewError::Api(_) | ReviewError::Busy) => "review_failed",
            Self::TooMany(_) => "too_many",
            Self::NotInstalled(_) => "not_installed",
            Self::Access(_) => "access_failed",
            Self::Issue(_) => "issue_failed",
        }
    }

    /// The answer, with the causes in its message: the sidecar shows it in the pod's Events.
    pub fn status(&self) -> Status {
        Status::new(self.code(), report(self))
    }

    fn code(&self) -> Code {
        match self {
            Self::NoToken | Self::Review(ReviewError::Refused(_) | ReviewError::NotPod) => {
                Code::Unauthenticated
            }
            Self::TooMany(_) => Code::ResourceExhausted,
            Self::NotInstalled(_) => Code::FailedPrecondition,
            Self::Issue(IssueError::Request(_)) => Code::InvalidArgument,
            Self::Access(error) if !error.is_transient() => Code::FailedPrecondition,
            Self::Review(_) | Self::Access(_) | Self::Issue(_) => Code::Unavailable,
        }
    }
}
