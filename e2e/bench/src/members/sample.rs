//! etcd's counters, read from its metrics.

/// etcd's own counters at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Raft entries since the start.
    pub entries: f64,
    /// CPU time of all members since the start, in seconds.
    pub cpu: f64,
    /// Resident memory of all members, in bytes.
    pub memory: f64,
    /// Bytes that all members have sent to clients since the start.
    pub sent: f64,
    /// Open files of all members: connections, and some that are always there.
    pub files: f64,
    /// Bytes of one database that are in use.
    pub database: f64,
    /// What clients have asked since the start.
    pub requests: Requests,
}

/// What clients have asked, by kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requests {
    /// Transactions and reads.
    pub txns: f64,
    /// Grants and revocations of leases.
    pub leases: f64,
    /// Renewals of leases.
    pub keepalives: f64,
    /// Streams that were opened for renewals.
    pub streams: f64,
    /// Watches.
    pub watches: f64,
}

// === impl Sample ===

impl Sample {
    /// Adds the metrics of a member.
    pub(super) fn add(&mut self, page: &str) {
        let read = |name| value(page, name).unwrap_or_default();
        self.entries = read("etcd_server_proposals_committed_total").max(self.entries);
        self.cpu += read("process_cpu_seconds_total");
        self.memory += read("process_resident_memory_bytes");
        self.sent += read("etcd_network_client_grpc_sent_bytes_total");
        self.files += read("process_open_fds");
        self.database = read("etcd_mvcc_db_total_size_in_use_in_bytes").max(self.database);
        self.requests = self.requests.plus(Requests::of(page));
    }
}

// === impl Requests ===

impl Requests {
    /// All but the opening of streams.
    pub fn all(self) -> f64 {
        self.txns + self.leases + self.keepalives + self.watches
    }

    /// What came since then.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            txns: self.txns - before.txns,
            leases: self.leases - before.leases,
            keepalives: self.keepalives - before.keepalives,
            streams: self.streams - before.streams,
            watches: self.watches - before.watches,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            txns: self.txns + other.txns,
            leases: self.leases + other.leases,
            keepalives: self.keepalives + other.keepalives,
            streams: self.streams + other.streams,
            watches: self.watches + other.watches,
        }
    }

    fn of(page: &str) -> Self {
        let calls = |method| by_method(page, "grpc_server_started_total", method);
        let messages = |method| by_method(page, "grpc_server_msg_received_total", method);
        Self {
            txns: calls("Txn") + calls("Range"),
            leases: calls("LeaseGrant") + calls("LeaseRevoke"),
            keepalives: messages("LeaseKeepAlive"),
            streams: calls("LeaseKeepAlive"),
            watches: messages("Watch"),
        }
    }
}

/// The value of a metric without labels.
fn value(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The value of a metric of one method of gRPC.
fn by_method(page: &str, name: &str, method: &str) -> f64 {
    let label = format!("grpc_method=\"{method}\"");
    let of_method = page.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once('}')?;
        labels.split(',').any(|part| part == label).then(|| value.trim().parse::<f64>().ok())?
    });
    of_method.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let page = "# HELP a_total help\n# TYPE a_total gauge\na_total_more 4\na_total 1.5e+03\n";
        assert_eq!(value(page, "a_total"), Some(1500.0));
        assert_eq!(value(page, "a"), None);
    }

    #[test]
    fn requests_of_a_method_are_found_among_those_of_others() {
        let page = "calls{grpc_method=\"Txn\",grpc_type=\"unary\"} 7\n\
                    calls{grpc_method=\"TxnMore\"} 9\ncalls_more{grpc_method=\"Txn\"} 5\n";
        assert!((by_method(page, "calls", "Txn") - 7.0).abs() < f64::EPSILON);
    }
}
