//! The files of a member's TLS, on a volume in memory.
//!
//! etcd reads the roots once, when it starts, and certificate and key at each handshake. Certificate and key are
//! replaced together: a link to their folder is swapped, so that etcd does not see one without the other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use cairn_core::time::UnixMillis;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use thiserror::Error;
use x509_parser::parse_x509_certificate;

use crate::etcd_ca::{Authorities, IssueError, Lives};

/// The link to the folder with the present certificate.
const CURRENT: &str = "current";
const CERTIFICATE: &str = "member.crt";
const KEY: &str = "member.key";
/// Verifies clients.
const CLIENTS: &str = "clients-ca.crt";
/// Verifies other members.
const MEMBERS: &str = "members-ca.crt";

/// The suites of TLS 1.2 that fit the P-256 certificates. Those of TLS 1.3 cannot be chosen in Go.
const CIPHER_SUITES: [&str; 3] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// The folder of one member, and what its certificate says.
#[derive(Clone, Debug)]
pub struct MemberTls {
    /// The folder.
    pub dir: PathBuf,
    /// The DNS names and addresses under which clients and members reach this one.
    pub hosts: Vec<String>,
    /// How long certificates live.
    pub lives: Lives,
}

/// Why the files are not as they should be.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Nothing could be signed.
    #[error("could not make the certificate of this member")]
    Issue(#[from] IssueError),
    /// A file could not be written.
    #[error("could not write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// etcd runs with other roots.
    #[error(
        "the roots of etcd's authorities were replaced, and this etcd runs with the former ones; delete this pod to \
         start it with the new ones"
    )]
    OtherRoots,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The certificate is young enough.
    Fresh,
    /// A new one was written. It ends then.
    Written(UnixMillis),
}

// === impl MemberTls ===

impl MemberTls {
    /// Before etcd starts: writes the roots, and certificate and key.
    pub fn begin(
        &self,
        name: &str,
        authorities: &Authorities,
        now: UnixMillis,
    ) -> Result<(), TlsError> {
        self.put(CLIENTS, &authorities.clients.root.chain)?;
        self.put(MEMBERS, &authorities.members.root.chain)?;
        self.write_leaf(name, authorities, now).map(drop)
    }

    /// While etcd runs: replaces certificate and key after half of their life.
    pub fn renew(
        &self,
        name: &str,
        authorities: &Authorities,
        now: UnixMillis,
    ) -> Result<Renewal, TlsError> {
        let same = |file: &str, root: &str| {
            fs::read_to_string(self.dir.join(file)).is_ok_and(|text| text == root)
        };
        let unchanged = same(CLIENTS, &authorities.clients.root.chain)
            && same(MEMBERS, &authorities.members.root.chain);
        if !unchanged {
            return Err(TlsError::OtherRoots);
        }
        if self.half_of_life().is_some_and(|half| now < half) {
            return Ok(Renewal::Fresh);
        }
        self.write_leaf(name, authorities, now).map(Renewal::Written)
    }

    /// What etcd's configuration says about TLS.
    ///
    /// The gateway is off: it would reach etcd with the member's own certificate, which the client port refuses. The
    /// alternative names of a member that connects are not compared with its address: its DNS name often does not
    /// resolve yet when it starts, a negative answer is cached for half a minute, and the root signs members only.
    pub fn settings(&self) -> [(&'static str, Value); 5] {
        let path = |name: &str| self.dir.join(name).to_string_lossy().into_owned();
        let security = |roots: &str, of_peers: bool| {
            json!({
                "cert-file": path(&format!("{CURRENT}/{CERTIFICATE}")),
                "key-file": path(&format!("{CURRENT}/{KEY}")),
                "client-cert-auth": true,
                "trusted-ca-file": path(roots),
                "skip-client-san-verification": of_peers,
            })
        };
        [
            ("client-transport-security", security(CLIENTS, false)),
            ("peer-transport-security", security(MEMBERS, true)),
            ("enable-grpc-gateway", false.into()),
            ("tls-min-version", "TLS1.2".into()),
            ("cipher-suites", json!(CIPHER_SUITES)),
        ]
    }

    /// The middle of the present certificate's life; `None` without a certificate.
    fn half_of_life(&self) -> Option<UnixMillis> {
        let pem = fs::read(self.dir.join(CURRENT).join(CERTIFICATE)).ok()?;
        let der = CertificateDer::from_pem_slice(&pem).ok()?;
        let (_, certificate) = parse_x509_certificate(&der).ok()?;
        let life = certificate.validity();
        let (begin, end) = (life.not_before.timestamp(), life.not_after.timestamp());
        Some(UnixMillis(begin.midpoint(end).saturating_mul(1000)))
    }

    fn write_leaf(
        &self,
        name: &str,
        authorities: &Authorities,
        now: UnixMillis,
    ) -> Result<UnixMillis, TlsError> {
        let members = &authorities.members.issuer;
        let (issued, key) = members.member(name, &self.hosts, self.lives.leaf, now)?;
        let former = fs::read_link(self.dir.join(CURRENT)).ok();
        let folder = format!("{}", now.0);
        self.put(&format!("{folder}/{CERTIFICATE}"), &issued.chain)?;
        self.put(&format!("{folder}/{KEY}"), &key)?;
        let (link, present) = (self.dir.join("next"), self.dir.join(CURRENT));
        let failed = |source| TlsError::Write { path: present.clone(), source };
        remove(&link).map_err(failed)?;
        symlink(&folder, &link).map_err(failed)?;
        fs::rename(&link, &present).map_err(failed)?;
        if let Some(former) = former.filter(|former| *former != Path::new(&folder)) {
            // A folder that stays is of no harm.
            let _ = fs::remove_dir_all(self.dir.join(former));
        }
        Ok(issued.not_after)
    }

    /// Writes a file that only this user can read.
    fn put(&self, name: &str, text: &str) -> Result<(), TlsError> {
        let path = self.dir.join(name);
        let failed = |source| TlsError::Write { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        remove(&path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file: File =
            options.write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::time::Duration;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn member(dir: &Path) -> MemberTls {
        let hosts = vec!["etcd-0.peers.svc".to_owned(), "10.0.0.7".to_owned()];
        MemberTls { dir: dir.to_owned(), hosts, lives: Lives::default() }
    }

    fn authorities() -> Authorities {
        Authorities::new(&Lives::default(), NOW).unwrap()
    }

    #[test]
    fn a_certificate_is_replaced_after_half_of_its_life_and_files_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let (tls, ours) = (member(dir.path()), authorities());
        tls.begin("etcd-0", &ours, NOW).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let first = read("current/member.crt");
        assert_eq!(
            fs::metadata(dir.path().join("current/member.key")).unwrap().mode() & 0o777,
            0o600
        );
        assert_eq!(tls.renew("etcd-0", &ours, NOW.after(3 * DAY)).unwrap(), Renewal::Fresh);
        let later = NOW.after(4 * DAY);
        let renewed = tls.renew("etcd-0", &ours, later).unwrap();
        assert_eq!(renewed, Renewal::Written(later.after(7 * DAY)));
        assert_ne!(read("current/member.crt"), first);
        let folders = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(folders, 4, "two roots, the link and its folder");
    }

    #[test]
    fn a_restarted_container_begins_again_over_what_it_finds() {
        let dir = tempfile::tempdir().unwrap();
        let (tls, ours) = (member(dir.path()), authorities());
        tls.begin("etcd-0", &ours, NOW).unwrap();
        tls.begin("etcd-0", &ours, NOW).unwrap();
        assert_eq!(tls.renew("etcd-0", &ours, NOW).unwrap(), Renewal::Fresh);
        fs::remove_file(dir.path().join("current/member.crt")).unwrap();
        assert!(matches!(tls.renew("etcd-0", &ours, NOW.after(DAY)).unwrap(), Renewal::Written(_)));
    }

    #[test]
    fn with_other_roots_nothing_is_renewed_because_etcd_would_not_take_it() {
        let dir = tempfile::tempdir().unwrap();
        let (tls, ours) = (member(dir.path()), authorities());
        tls.begin("etcd-0", &ours, NOW).unwrap();
        let refused = tls.renew("etcd-0", &authorities(), NOW.after(6 * DAY)).unwrap_err();
        assert!(refused.to_string().ends_with("delete this pod to start it with the new ones"));
        let later = NOW.after(61 * DAY);
        let rotated = ours.renewed(&Lives::default(), later).unwrap();
        assert!(matches!(tls.renew("etcd-0", &rotated, later).unwrap(), Renewal::Written(_)));
    }

    #[test]
    fn clients_and_members_are_verified_by_different_roots() {
        let settings = member(Path::new("/tls")).settings();
        assert_eq!(settings[0].1["trusted-ca-file"], "/tls/clients-ca.crt");
        assert_eq!(settings[1].1["trusted-ca-file"], "/tls/members-ca.crt");
        assert!(settings[..2].iter().all(|(_, value)| value["client-cert-auth"] == true));
    }
}
