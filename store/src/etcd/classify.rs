//! Which errors of etcd prove that nothing was applied, and which that etcd cannot keep up.
//!
//! etcd tells its errors apart by gRPC code and message (etcd `api/v3rpc/rpctypes`). An error that is not listed here
//! is ambiguous: one more read is harmless, a wrong belief is not.

use std::error::Error as StdError;
use std::io;

use etcd_client::Error;

use crate::error::{self, Class};

/// What etcd says to everybody while users or roles are being changed. It checks permissions when it applies a request,
/// and refuses those that were sent before the change.
const AUTH_CHANGED: &str = "revision of auth store is old";

/// What etcd says to a client without a certificate once authentication is on.
const NO_USER: &str = "user name is empty";

/// The alerts with which a server refuses a client's certificate (RFC 8446, section 6.2), as rustls names them.
const ALERTS: [&str; 8] = [
    "BadCertificate",
    "UnsupportedCertificate",
    "CertificateRevoked",
    "CertificateExpired",
    "CertificateUnknown",
    "UnknownCA",
    "AccessDenied",
    "CertificateRequired",
];

/// What refusals of a change of users and roles are about: they do not exist, or exist already.
const ACCESS: [&str; 4] =
    ["user name ", "role name ", "role is not granted", "permission is not granted"];

/// What etcd says instead of a proposal when it has committed more than 5,000 entries that it has not applied yet.
///
/// Its code is "unknown", and not "resource exhausted" as etcd's table of errors says: the server returns the error of
/// that table that is meant for clients, which gRPC cannot translate (etcd 3.6, `api/v3rpc/util.go` of the server).
const TOO_MANY_REQUESTS: &str = "etcdserver: too many requests";

/// What a leader says instead of renewing a lease when it has not applied within a second what was committed.
const APPLY_IS_BEHIND: &str =
    "etcdserver: request timed out, waiting for the applied index took too long";

/// The failure of a call to a member that answered with an error, or to which the connection broke.
pub(super) fn call_failed(operation: &'static str, endpoint: &str, source: Error) -> error::Error {
    error::Error::Call {
        operation,
        endpoint: endpoint.to_owned(),
        class: class(&source),
        overloaded: is_overload(&source),
        source: Box::new(source),
    }
}

/// Whether a request was applied that ended with this error of the client library.
fn class(error: &Error) -> Class {
    match error {
        Error::GRpcStatus(status) => by_status(status.code() as i32, status.message()),
        Error::LeaseKeepAliveError(text) if text.contains("lease not found") => Class::LeaseGone,
        Error::InvalidArgs(_) | Error::InvalidUri(_) | Error::InvalidMetadataValue(_) => {
            Class::Denied
        }
        _ => Class::Ambiguous,
    }
}

/// Whether etcd has answered that it cannot keep up: it is not away, and asking again costs it what others need.
fn is_overload(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(status) if overloaded(status.message()))
}

/// The plain "request timed out" is not among them, because it does not tell a slow etcd from one without a leader.
/// Nor would a renewal see it: etcd says it after five seconds and two elections.
fn overloaded(message: &str) -> bool {
    [APPLY_IS_BEHIND, TOO_MANY_REQUESTS].contains(&message)
}

/// Whether a request failed only because users or roles were being changed. Nothing was applied; the same request may
/// succeed at the same member a moment later.
pub(super) fn auth_changed(error: &error::Error) -> bool {
    says(error, AUTH_CHANGED)
}

/// Whether etcd has refused our certificate's user, or what it should be allowed.
pub(super) fn is_refusal(error: &error::Error) -> bool {
    match error {
        error::Error::Call { source, .. } => match source.as_ref() {
            Error::GRpcStatus(status) => refuses(status.code() as i32, status.message()),
            _ => false,
        },
        _ => false,
    }
}

fn refuses(code: i32, message: &str) -> bool {
    [code::PERMISSION_DENIED, code::UNAUTHENTICATED].contains(&code) || message.contains(NO_USER)
}

/// Whether there is no connection because one side does not accept the other's certificate: roots were replaced, or a
/// certificate has ended.
pub(super) fn is_distrust(error: &error::Error) -> bool {
    let error::Error::Call { source, .. } = error else { return false };
    let mut cause: Option<&(dyn StdError + 'static)> = match source.as_ref() {
        Error::GRpcStatus(status) => status.source(),
        Error::TransportError(error) => Some(error),
        _ => None,
    };
    while let Some(error) = cause {
        if is_about_certificates(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether we did not accept their certificate, or they did not accept ours. A server's alert comes after our
/// handshake, and HTTP/2 keeps only its text.
fn is_about_certificates(error: &(dyn StdError + 'static)) -> bool {
    // An I/O error hides what it wraps: its source is the source of that.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let tls = match wrapped {
        Some(wrapped) => wrapped.downcast_ref::<rustls::Error>(),
        None => error.downcast_ref::<rustls::Error>(),
    };
    matches!(tls, Some(rustls::Error::InvalidCertificate(_))) || is_alert(&error.to_string())
}

/// Whether this is what rustls says of an alert about our certificate.
fn is_alert(text: &str) -> bool {
    let alert = text.rsplit_once("received fatal alert: ").map(|(_, alert)| alert);
    alert.is_some_and(|alert| ALERTS.contains(&alert.trim()))
}

/// Whether etcd has refused a request with this text.
pub(super) fn says(error: &error::Error, text: &str) -> bool {
    match error {
        error::Error::Call { source, .. } => match source.as_ref() {
            Error::GRpcStatus(status) => status.message().contains(text),
            _ => false,
        },
        error::Error::WatchEnded { reason, .. } => reason.contains(text),
        _ => false,
    }
}

/// Numbers of gRPC's status codes (grpc/statuscodes). The client library does not re-export their type.
mod code {
    pub(super) const UNKNOWN: i32 = 2;
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const FAILED_PRECONDITION: i32 = 9;
    pub(super) const OUT_OF_RANGE: i32 = 11;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

fn by_status(code: i32, message: &str) -> Class {
    match code {
        code::NOT_FOUND if message.contains("lease not found") => Class::LeaseGone,
        // "database space exceeded", future and compacted revisions.
        code::RESOURCE_EXHAUSTED | code::OUT_OF_RANGE => Class::NotApplied,
        code::UNKNOWN if message == TOO_MANY_REQUESTS => Class::NotApplied,
        code::INVALID_ARGUMENT if message.contains(AUTH_CHANGED) => Class::NotApplied,
        // Other failed preconditions, such as "not leader", may have been met after a proposal.
        code::FAILED_PRECONDITION if ACCESS.iter().any(|subject| message.contains(subject)) => {
            Class::Denied
        }
        code::INVALID_ARGUMENT
        | code::PERMISSION_DENIED
        | code::UNAUTHENTICATED
        | code::NOT_FOUND => Class::Denied,
        _ => Class::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_etcd_certainly_refuses_counts_as_not_applied() {
        let cases = [
            (5, "etcdserver: requested lease not found", Class::LeaseGone),
            (2, "etcdserver: too many requests", Class::NotApplied),
            (8, "etcdserver: too many requests", Class::NotApplied),
            (8, "etcdserver: mvcc: database space exceeded", Class::NotApplied),
            (11, "etcdserver: mvcc: required revision has been compacted", Class::NotApplied),
            (3, "etcdserver: revision of auth store is old", Class::NotApplied),
            (7, "etcdserver: permission denied", Class::Denied),
            (16, "etcdserver: invalid auth token", Class::Denied),
            (3, "etcdserver: user name is empty", Class::Denied),
            (9, "etcdserver: role name already exists", Class::Denied),
            (9, "etcdserver: user name not found", Class::Denied),
            (9, "etcdserver: not leader", Class::Ambiguous),
            (14, "etcdserver: leader changed", Class::Ambiguous),
            (14, "etcdserver: request timed out", Class::Ambiguous),
            (4, "context deadline exceeded", Class::Ambiguous),
            (2, "transport error", Class::Ambiguous),
        ];
        for (code, message, expected) in cases {
            assert_eq!(by_status(code, message), expected, "{message}");
        }
    }

    #[test]
    fn an_etcd_that_cannot_keep_up_is_told_from_one_without_a_leader() {
        let cases = [
            ("etcdserver: request timed out, waiting for the applied index took too long", true),
            ("etcdserver: too many requests", true),
            ("etcdserver: request timed out", false),
            ("etcdserver: request timed out, possibly due to previous leader failure", false),
            ("etcdserver: request timed out, possibly due to connection lost", false),
            ("etcdserver: no leader", false),
            ("etcdserver: leader changed", false),
            ("etcdserver: mvcc: database space exceeded", false),
            ("transport error", false),
        ];
        for (message, expected) in cases {
            assert_eq!(overloaded(message), expected, "{message}");
        }
    }

    #[test]
    fn a_refusal_is_about_the_user_also_when_the_client_has_none() {
        assert!(refuses(7, "etcdserver: permission denied"));
        assert!(refuses(16, "etcdserver: invalid auth token"));
        assert!(refuses(3, "etcdserver: user name is empty"), "authentication was turned on");
        assert!(!refuses(3, "etcdserver: key is not provided"));
        assert!(!refuses(8, "etcdserver: too many requests"));
    }

    #[test]
    fn a_certificate_that_one_side_does_not_accept_is_told_from_other_failures_of_a_connection() {
        use rustls::{AlertDescription, CertificateError};
        let io = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(is_about_certificates(&unknown) && is_about_certificates(&io(unknown.clone())));
        for alert in [
            AlertDescription::BadCertificate,
            AlertDescription::UnsupportedCertificate,
            AlertDescription::CertificateRevoked,
            AlertDescription::CertificateExpired,
            AlertDescription::CertificateUnknown,
            AlertDescription::UnknownCA,
            AlertDescription::AccessDenied,
            AlertDescription::CertificateRequired,
        ] {
            let error = rustls::Error::AlertReceived(alert);
            let text_only = io::Error::other(error.to_string());
            assert!(is_about_certificates(&text_only), "{error}");
            assert!(is_about_certificates(&io(error)));
        }
        let other = rustls::Error::AlertReceived(AlertDescription::InternalError);
        assert!(!is_about_certificates(&io(other)));
        assert!(!is_about_certificates(&io::Error::from(io::ErrorKind::BrokenPipe)));
    }
}
