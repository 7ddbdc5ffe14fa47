//! The flags that say how the webhook and its sidecars prove to etcd who they are.

use cairn_core::contract::flag;
use cairn_kit::etcd::{Endpoints, EndpointsError, EtcdArgs, EtcdArgsError, Identity};
use cairn_store::etcd::TlsFiles;
use clap::ValueEnum;
use thiserror::Error;

use crate::etcd_ca;
use crate::etcd_ca::files::Files;

const SECRET: &str = "--etcd-ca-secret";
const ISSUER_CERTIFICATE: &str = "--etcd-issuer-cert";
const ISSUER_KEY: &str = "--etcd-issuer-key";

/// `--isolation`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Isolation {
    /// Each namespace has a user of its own in etcd, which may write only that namespace's keys.
    #[default]
    Namespaces,
    /// All pods use the same client certificate, or none.
    None,
}

/// Who may write what in etcd.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct IsolationArgs {
    /// Whether each namespace has a user of its own in etcd
    #[arg(long, env = "CAIRN_ISOLATION", value_name = "MODE", default_value = "namespaces")]
    pub isolation: Isolation,
    /// The Secret with the authorities of the bundled etcd; made when it is missing
    #[arg(long, env = "CAIRN_ETCD_CA_SECRET", value_name = "NAME")]
    pub etcd_ca_secret: Option<String>,
    /// File with the certificate that signs client certificates for another etcd
    #[arg(long, env = "CAIRN_ETCD_ISSUER_CERT", value_name = "FILE")]
    pub etcd_issuer_cert: Option<String>,
    /// File with the key of that certificate
    #[arg(long, env = "CAIRN_ETCD_ISSUER_KEY", value_name = "FILE")]
    pub etcd_issuer_key: Option<String>,
}

/// How the webhook reaches etcd, and what it gives to sidecars.
#[derive(Clone, Debug)]
pub struct EtcdAccess {
    /// The members.
    pub endpoints: Endpoints,
    /// Which cluster and keys are meant.
    pub identity: Identity,
    /// Where certificates come from.
    pub certificates: Certificates,
}

/// Where client certificates come from.
#[derive(Clone, Debug)]
pub enum Certificates {
    /// They are issued here.
    Issued(etcd_ca::Source),
    /// These files are everybody's; `None` for members without TLS.
    Shared(Option<TlsFiles>),
}

/// Why the flags were refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum IsolationError {
    /// The flags of every binary.
    #[error(transparent)]
    Etcd(#[from] EtcdArgsError),
    /// The members.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// Nothing can be issued.
    #[error(
        "--isolation=namespaces needs an issuer of client certificates; give {SECRET} for the bundled etcd, or \
         --etcd-cacert, {ISSUER_CERTIFICATE} and {ISSUER_KEY} for another one, or --isolation=none"
    )]
    NoIssuer,
    /// etcd could not tell who asks.
    #[error(
        "--isolation=namespaces needs https:// members; write https:// in --etcd, or --isolation=none"
    )]
    PlainMembers,
    /// Two answers to one question.
    #[error("{0} is given with {1}; leave one of them out")]
    Both(&'static str, &'static str),
    /// A flag without a meaning.
    #[error("{0} is given with --isolation=none; leave it out")]
    WithoutIsolation(&'static str),
}

// === impl IsolationArgs ===

impl IsolationArgs {
    /// Checks the flags against each other; `namespace` is the webhook's.
    pub fn access(&self, etcd: &EtcdArgs, namespace: &str) -> Result<EtcdAccess, IsolationError> {
        let issuer = self.etcd_issuer_cert.as_ref().zip(self.etcd_issuer_key.as_ref());
        if self.isolation == Isolation::None {
            if let Some(flag) = self.first() {
                return Err(IsolationError::WithoutIsolation(flag));
            }
            let target = etcd.target()?;
            let identity = Identity { cluster: target.cluster, prefix: target.prefix };
            let certificates = Certificates::Shared(target.tls);
            return Ok(EtcdAccess { endpoints: target.endpoints, identity, certificates });
        }
        let text = etcd.etcd.as_deref().unwrap_or_default();
        let endpoints = Endpoints::parse(flag::ETCD, text)?;
        if !endpoints.is_secure() {
            return Err(IsolationError::PlainMembers);
        }
        if etcd.etcd_cert.is_some() {
            return Err(IsolationError::Both("--etcd-cert", "--isolation=namespaces"));
        }
        let source = match (&self.etcd_ca_secret, issuer, &etcd.etcd_cacert) {
            (Some(_), Some(_), _) => return Err(IsolationError::Both(SECRET, ISSUER_CERTIFICATE)),
            (Some(_), None, Some(_)) => return Err(IsolationError::Both(SECRET, "--etcd-cacert")),
            (Some(name), None, None) => {
                etcd_ca::Source::Secret { namespace: namespace.to_owned(), name: name.clone() }
            }
            (None, Some((certificate, key)), Some(ca)) => etcd_ca::Source::Files(Files {
                ca: ca.into(),
                issuer_cert: certificate.into(),
                issuer_key: key.into(),
            }),
            (None, ..) => return Err(IsolationError::NoIssuer),
        };
        let (identity, certificates) = (etcd.identity()?, Certificates::Issued(source));
        Ok(EtcdAccess { endpoints, identity, certificates })
    }

    fn first(&self) -> Option<&'static str> {
        let flags = [
            (SECRET, &self.etcd_ca_secret),
            (ISSUER_CERTIFICATE, &self.etcd_issuer_cert),
            (ISSUER_KEY, &self.etcd_issuer_key),
        ];
        flags.into_iter().find(|(_, value)| value.is_some()).map(|(flag, _)| flag)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        etcd: EtcdArgs,
        #[command(flatten)]
        isolation: IsolationArgs,
    }

    fn parsed(line: &str) -> Line {
        Line::try_parse_from(["x"].into_iter().chain(line.split(' '))).unwrap()
    }

    fn access(line: &str) -> Result<EtcdAccess, String> {
        let line = parsed(line);
        line.isolation.access(&line.etcd, "cairn").map_err(|error| error.to_string())
    }

    #[test]
    fn the_bundled_etcd_has_its_authorities_in_a_secret() {
        let access = access("--etcd=https://a:2379 --etcd-ca-secret=cairn-etcd-ca").unwrap();
        let Certificates::Issued(etcd_ca::Source::Secret { namespace, name }) = access.certificates
        else {
            panic!("another source");
        };
        assert_eq!((&*namespace, &*name), ("cairn", "cairn-etcd-ca"));
    }

    #[test]
    fn another_etcd_has_its_issuer_in_files_or_is_not_isolated() {
        let files = "--etcd-cacert=ca --etcd-issuer-cert=crt --etcd-issuer-key=key";
        let issued = access(&format!("--etcd=https://a:2379 {files}")).unwrap();
        assert!(matches!(issued.certificates, Certificates::Issued(etcd_ca::Source::Files(_))));
        let none = access("--etcd=http://a:2379 --isolation=none").unwrap();
        assert!(matches!(none.certificates, Certificates::Shared(None)));
        let tls =
            "--etcd=https://a:2379 --isolation=none --etcd-cacert=a --etcd-cert=b --etcd-key=c";
        assert!(matches!(access(tls).unwrap().certificates, Certificates::Shared(Some(_))));
    }

    #[test]
    fn flags_that_do_not_fit_together_give_one_sentence_that_says_what_to_write() {
        for (line, expected) in [
            ("--etcd=https://a:1", "--isolation=namespaces needs an issuer of client certificates"),
            (
                "--etcd=http://a:1 --etcd-ca-secret=x",
                "--isolation=namespaces needs https:// members",
            ),
            (
                "--etcd=https://a:1 --etcd-ca-secret=x --etcd-cacert=y",
                "--etcd-ca-secret is given with --etcd-cacert; leave one of them out",
            ),
            (
                "--etcd=https://a:1 --etcd-ca-secret=x --etcd-issuer-cert=y --etcd-issuer-key=z",
                "--etcd-ca-secret is given with --etcd-issuer-cert",
            ),
            (
                "--etcd=https://a:1 --etcd-ca-secret=x --etcd-cert=y --etcd-key=z",
                "--etcd-cert is given with --isolation=namespaces",
            ),
            (
                "--etcd=http://a:1 --isolation=none --etcd-ca-secret=x",
                "--etcd-ca-secret is given with --isolation=none; leave it out",
            ),
            (
                "--etcd=https://a:1 --isolation=none",
                "--etcd has https:// members but --etcd-cacert",
            ),
            ("--etcd=here --etcd-ca-secret=x", "--etcd 'here' is not a URL with a port"),
        ] {
            let message = access(line).unwrap_err();
            assert!(message.starts_with(expected), "{line}: {message}");
        }
    }
}
