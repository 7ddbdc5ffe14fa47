//! Which errors of etcd prove that nothing was applied.
//!
//! etcd tells its errors apart by gRPC code and message (etcd `api/v3rpc/rpctypes`). An error that is not listed here
//! is ambiguous: one more read is harmless, a wrong belief is not.

use etcd_client::Error;

use crate::error::Class;

/// Whether a request was applied that ended with this error of the client library.
pub(super) fn class(error: &Error) -> Class {
    match error {
        Error::GRpcStatus(status) => by_status(status.code() as i32, status.message()),
        Error::LeaseKeepAliveError(text) if text.contains("lease not found") => Class::LeaseGone,
        Error::InvalidArgs(_) | Error::InvalidUri(_) | Error::InvalidMetadataValue(_) => {
            Class::Denied
        }
        _ => Class::Ambiguous,
    }
}

/// Numbers of gRPC's status codes (grpc/statuscodes). The client library does not re-export their type.
mod code {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const OUT_OF_RANGE: i32 = 11;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

fn by_status(code: i32, message: &str) -> Class {
    match code {
        code::NOT_FOUND if message.contains("lease not found") => Class::LeaseGone,
        // "too many requests", "database space exceeded", future and compacted revisions.
        code::RESOURCE_EXHAUSTED | code::OUT_OF_RANGE => Class::NotApplied,
        // Users or roles were changed meanwhile. etcd refuses this before it proposes anything.
        code::INVALID_ARGUMENT if message.contains("revision of auth store is old") => {
            Class::NotApplied
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
    fn only_what_etcd_refuses_before_proposing_counts_as_not_applied() {
        let cases = [
            (5, "etcdserver: requested lease not found", Class::LeaseGone),
            (8, "etcdserver: too many requests", Class::NotApplied),
            (8, "etcdserver: mvcc: database space exceeded", Class::NotApplied),
            (11, "etcdserver: mvcc: required revision has been compacted", Class::NotApplied),
            (3, "etcdserver: revision of auth store is old", Class::NotApplied),
            (7, "etcdserver: permission denied", Class::Denied),
            (14, "etcdserver: leader changed", Class::Ambiguous),
            (4, "context deadline exceeded", Class::Ambiguous),
            (2, "transport error", Class::Ambiguous),
        ];
        for (code, message, expected) in cases {
            assert_eq!(by_status(code, message), expected, "{message}");
        }
    }
}
