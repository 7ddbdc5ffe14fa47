//! When the certificates end that the access to etcd rests on.

use prometheus_client::registry::Registry;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::authorities::{Authorities, EtcdCa};
use super::issuer::ends_at;
use crate::certificate_ends::CertificateEnds;

/// Handles into the registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    ends: CertificateEnds,
}

// === impl Metrics ===

impl Metrics {
    /// Handles in a sub-registry of etcd's own.
    pub fn register(registry: &mut Registry) -> Self {
        let help =
            "End of the certificates that sign and verify etcd's clients and members, in Unix time";
        Self { ends: CertificateEnds::register(registry, help) }
    }

    /// The authorities that Cairn keeps are these.
    pub(super) fn kept(&self, present: &Authorities) {
        let Authorities { clients, members } = present;
        for (certificate, issuer) in [
            ("clients-root", &clients.root),
            ("clients-issuer", &clients.issuer),
            ("members-root", &members.root),
            ("members-issuer", &members.issuer),
        ] {
            self.ends.set(certificate, issuer.not_after());
        }
    }

    /// The authorities that a user gave are these. Of several roots, the one counts that ends first.
    pub(super) fn found(&self, found: &EtcdCa) {
        self.ends.set("clients-issuer", found.issuer.not_after());
        let roots = CertificateDer::pem_slice_iter(found.servers.as_bytes());
        let ends = roots.filter_map(|root| ends_at(&root.ok()?));
        self.ends.set("members-root", ends.min());
    }
}

#[cfg(test)]
mod tests {
    use cairn_core::time::UnixMillis;

    use super::*;
    use crate::etcd_ca::Lives;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    fn shown(registry: &Registry, certificate: &str) -> Option<i64> {
        let text = cairn_kit::metrics::render(registry);
        let name = "cairn_webhook_etcd_certificate_not_after_seconds";
        let line = format!("{name}{{certificate=\"{certificate}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok())
    }

    fn registry() -> (Registry, Metrics) {
        let mut registry = Registry::with_prefix("cairn_webhook");
        let metrics = Metrics::register(registry.sub_registry_with_prefix("etcd"));
        (registry, metrics)
    }

    #[test]
    fn roots_and_issuers_that_cairn_keeps_have_their_ends_and_a_renewed_issuer_has_a_later_one() {
        let (registry, metrics) = registry();
        let lives = Lives::default();
        let first = Authorities::new(&lives, NOW).unwrap();
        metrics.kept(&first);
        let end = |life| Some(NOW.after(life).0.div_euclid(1000));
        for side in ["clients", "members"] {
            assert_eq!(shown(&registry, &format!("{side}-root")), end(lives.root));
            assert_eq!(shown(&registry, &format!("{side}-issuer")), end(lives.issuer));
        }
        let later = NOW.after(lives.issuer * 2 / 3);
        metrics.kept(&first.renewed(&lives, later).unwrap());
        assert_eq!(shown(&registry, "clients-issuer"), end(lives.issuer * 5 / 3));
        assert_eq!(shown(&registry, "clients-root"), end(lives.root));
    }

    #[test]
    fn of_an_etcd_of_ones_own_the_issuer_and_the_root_that_ends_first_are_shown() {
        let (registry, metrics) = registry();
        let lives = Lives::default();
        let found = |now| EtcdCa::from(&Authorities::new(&lives, now).unwrap());
        let later = NOW.after(lives.issuer);
        let (old, new) = (found(NOW), found(later));
        let both = EtcdCa { servers: format!("{}{}", new.servers, old.servers), ..new };
        metrics.found(&both);
        assert_eq!(shown(&registry, "members-root"), Some(NOW.after(lives.root).0 / 1000));
        let issuer = Some(later.after(lives.issuer).0 / 1000);
        assert_eq!(shown(&registry, "clients-issuer"), issuer);
        assert_eq!(shown(&registry, "clients-root"), None, "it is not known here");
        metrics.found(&EtcdCa { servers: String::new(), ..both });
        assert_eq!(shown(&registry, "members-root"), None);
    }
}
