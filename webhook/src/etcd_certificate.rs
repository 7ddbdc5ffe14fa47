//! `cairn-webhook etcd-certificate`: prints a certificate with which an administrator reaches etcd.
//!
//! It is signed when it is asked for and lives for an hour. No such certificate is kept anywhere: who may run programs
//! in the webhook's pod (`pods/exec`) may get one, and the API server's audit log says who did. Not for: programs.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use cairn_core::duration;
use cairn_core::time::UnixMillis;
use cairn_kit::errors::report;
use cairn_kit::exit::{Exit, complain};
use cairn_kit::{clock, usage};
use cairn_store::access::UserName;
use clap::Parser;
use thiserror::Error;
use tokio::runtime::Builder;

use crate::etcd_ca::files::{Files, FilesError};
use crate::etcd_ca::keeper::{Keeper, KeeperError};
use crate::etcd_ca::{EtcdCa, IssueError, Lives};

mod tar;

/// The first argument of this command.
pub const COMMAND: &str = "etcd-certificate";

/// The name in messages.
const PROGRAM: &str = "cairn-webhook etcd-certificate";
/// The longest life. Whoever needs it longer can ask again.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Prints a certificate of etcd's user root, its key and etcd's CA, as a tar archive
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cairn-webhook etcd-certificate",
    bin_name = "cairn-webhook etcd-certificate",
    after_help = "Unpack it into a folder of your own:\n\n  \
        kubectl -n cairn-system exec deploy/cairn-webhook -- cairn-webhook etcd-certificate | tar -x -C DIR\n\n\
        DIR then has ca.crt, tls.crt and tls.key, for --etcd-cacert, --etcd-cert and --etcd-key of cairn, or\n\
        --cacert, --cert and --key of etcdctl."
)]
struct Args {
    /// The namespace of the Secret
    #[arg(long, env = "POD_NAMESPACE", value_name = "NS", default_value = "cairn-system")]
    namespace: String,
    /// The Secret with the authorities of the bundled etcd
    #[arg(long, env = "CAIRN_ETCD_CA_SECRET", value_name = "NAME")]
    etcd_ca_secret: Option<String>,
    /// File with the CA that signed the certificates of an external etcd
    #[arg(long, env = "CAIRN_ETCD_CACERT", value_name = "FILE")]
    etcd_cacert: Option<PathBuf>,
    /// File with the certificate that signs clients of an external etcd
    #[arg(long, env = "CAIRN_ETCD_ISSUER_CERT", value_name = "FILE")]
    etcd_issuer_cert: Option<PathBuf>,
    /// File with its key
    #[arg(long, env = "CAIRN_ETCD_ISSUER_KEY", value_name = "FILE")]
    etcd_issuer_key: Option<PathBuf>,
    /// How long the certificate is valid
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "1h")]
    valid_for: Duration,
}

/// Why there is no certificate.
#[derive(Debug, Error)]
enum CertificateError {
    #[error("the archive would go to the terminal; pipe it into tar -x -C DIR")]
    Terminal,
    #[error(
        "there is no issuer of etcd's certificates; give --etcd-ca-secret for the bundled etcd, or --etcd-cacert, \
         --etcd-issuer-cert and --etcd-issuer-key for another one; with etcd.isolation=none use the certificate that \
         you gave to the chart"
    )]
    NoIssuer,
    #[error("could not set up the connection to the API server")]
    Kube(#[source] kube::Error),
    #[error("there is no Secret {0}; it is made when the bundled etcd starts")]
    NoSecret(String),
    #[error(transparent)]
    Secret(#[from] KeeperError),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("could not write the archive")]
    Write(#[source] io::Error),
}

/// Runs the command line that follows [`COMMAND`].
pub fn run(command_line: &[OsString]) -> Exit {
    let args: Args = match usage::parse(command_line, PROGRAM) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    match print(&args) {
        Ok(()) => Exit::Clean,
        Err(error) => {
            complain(PROGRAM, &report(&error));
            match error {
                CertificateError::Terminal | CertificateError::NoIssuer => Exit::Usage,
                _ => Exit::Failed,
            }
        }
    }
}

fn print(args: &Args) -> Result<(), CertificateError> {
    if io::stdout().is_terminal() {
        return Err(CertificateError::Terminal);
    }
    let archive = archive(&authority(args)?, args.valid_for, clock::now().wall)?;
    let mut out = io::stdout().lock();
    out.write_all(&archive).and_then(|()| out.flush()).map_err(CertificateError::Write)
}

fn authority(args: &Args) -> Result<EtcdCa, CertificateError> {
    if let Some(name) = args.etcd_ca_secret.as_ref().filter(|name| !name.is_empty()) {
        return from_secret(&args.namespace, name);
    }
    match (&args.etcd_cacert, &args.etcd_issuer_cert, &args.etcd_issuer_key) {
        (Some(ca), Some(certificate), Some(key)) => {
            let (ca, issuer_cert, issuer_key) = (ca.clone(), certificate.clone(), key.clone());
            Ok(Files { ca, issuer_cert, issuer_key }.read()?)
        }
        _ => Err(CertificateError::NoIssuer),
    }
}

fn from_secret(namespace: &str, name: &str) -> Result<EtcdCa, CertificateError> {
    // The second process of a container that has one already; it ends before this could matter.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(CertificateError::Write)?.block_on(async {
        let client = kube::Client::try_default().await.map_err(CertificateError::Kube)?;
        let keeper = Keeper::new(client, namespace, name, Lives::default());
        let found = Box::pin(keeper.read()).await?;
        let found = found.ok_or_else(|| CertificateError::NoSecret(name.to_owned()))?;
        Ok(EtcdCa::from(&found))
    })
}

fn archive(ca: &EtcdCa, life: Duration, now: UnixMillis) -> Result<Vec<u8>, CertificateError> {
    let client = ca.issuer.client(UserName::root().as_str(), life, now)?;
    let files = [("ca.crt", &ca.servers), ("tls.crt", &client.chain), ("tls.key", &client.key)];
    Ok(tar::archive(&files.map(|(name, text)| (name, text.as_str())), now))
}

fn span(text: &str) -> Result<Duration, String> {
    let span = duration::parse(text).ok().filter(|span| !span.is_zero() && *span <= LONGEST);
    span.ok_or_else(|| format!("'{text}' is not a duration up to 24h; write it like 1h or 30m"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd_ca::Authorities;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    fn parse(argv: &[&str]) -> Args {
        Args::try_parse_from([&[COMMAND][..], argv].concat()).unwrap()
    }

    #[test]
    fn files_of_an_external_etcd_are_enough() {
        let ours = Authorities::new(&Lives::default(), NOW).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_string_lossy().into_owned()
        };
        let ca = write("ca", &ours.members.root.chain);
        let certificate = write("crt", &ours.clients.issuer.chain);
        let key = write("key", &ours.clients.issuer.key);
        let argv = [
            &format!("--etcd-cacert={ca}")[..],
            &format!("--etcd-issuer-cert={certificate}"),
            &format!("--etcd-issuer-key={key}"),
        ];
        assert_eq!(authority(&parse(&argv)).unwrap(), EtcdCa::from(&ours));
        let refused = authority(&parse(&argv[..2])).unwrap_err().to_string();
        assert!(
            refused.starts_with("there is no issuer of etcd's certificates; give --etcd-ca-secret")
        );
    }

    #[test]
    fn the_archive_has_three_files_and_the_certificate_is_roots() {
        let ours = Authorities::new(&Lives::default(), NOW).unwrap();
        let archive = archive(&EtcdCa::from(&ours), Duration::from_secs(60), NOW).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut unpack = std::process::Command::new("tar")
            .args(["-x", "-C"])
            .arg(dir.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        unpack.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(unpack.wait().unwrap().success());
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("ca.crt"), ours.members.root.chain);
        assert!(read("tls.crt").ends_with(&ours.clients.issuer.chain));
        assert!(read("tls.key").starts_with("-----BEGIN PRIVATE KEY-----"));
        let mode =
            std::os::unix::fs::MetadataExt::mode(&dir.path().join("tls.key").metadata().unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_life_beyond_a_day_is_refused() {
        assert_eq!(span("30m"), Ok(Duration::from_secs(1800)));
        for wrong in ["0s", "25h", "day"] {
            assert!(span(wrong).unwrap_err().ends_with("write it like 1h or 30m"), "{wrong}");
        }
    }
}
