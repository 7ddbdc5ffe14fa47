//! Certificates that a user brings, made with `openssl` as users do it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::run::run;

/// A certificate with its key and its authority, as PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// `ca.crt`
    pub authority: String,
    /// `tls.crt`
    pub certificate: String,
    /// `tls.key`
    pub key: String,
    /// When it ends, in Unix seconds.
    pub ends: u64,
}

impl Issued {
    /// From an authority of its own, for a server of that DNS name.
    pub fn new(name: &str, days: u32) -> Result<Self, Failure> {
        let dir = tempfile::tempdir()
            .map_err(|source| Failure::File { path: std::env::temp_dir(), source })?;
        let dir = dir.path();
        let days = days.to_string();
        let names = format!("subjectAltName=DNS:{name}");
        openssl(dir, &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ca.key"])?;
        openssl(
            dir,
            &["req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=user", "-out", "ca.crt"],
        )?;
        openssl(dir, &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.key"])?;
        openssl(dir, &["pkcs8", "-topk8", "-nocrypt", "-in", "ec.key", "-out", "tls.key"])?;
        openssl(
            dir,
            &[
                "req",
                "-new",
                "-key",
                "tls.key",
                "-subj",
                "/CN=server",
                "-addext",
                &names,
                "-out",
                "csr",
            ],
        )?;
        openssl(
            dir,
            &[
                "x509",
                "-req",
                "-in",
                "csr",
                "-CA",
                "ca.crt",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-copy_extensions",
                "copy",
                "-days",
                &days,
                "-out",
                "tls.crt",
            ],
        )?;
        let seconds =
            "date -u -d \"$(openssl x509 -in tls.crt -noout -enddate | cut -d= -f2)\" +%s";
        let ends = run(Command::new("sh").args(["-c", seconds]).current_dir(dir), None)?.ok()?;
        let ends = ends.trim().parse();
        Ok(Self {
            authority: read(dir, "ca.crt")?,
            certificate: read(dir, "tls.crt")?,
            key: read(dir, "tls.key")?,
            ends: ends
                .map_err(|error| Failure::new(format!("no end of a certificate: {error}")))?,
        })
    }

    /// The keys of its Secret.
    pub fn data(&self) -> [(&str, &str); 3] {
        [("ca.crt", &self.authority), ("tls.crt", &self.certificate), ("tls.key", &self.key)]
    }
}

fn openssl(dir: &Path, args: &[&str]) -> Result<(), Failure> {
    run(Command::new("openssl").args(args).current_dir(dir), None)?.ok().map(drop)
}

fn read(dir: &Path, name: &str) -> Result<String, Failure> {
    let path = dir.join(name);
    fs::read_to_string(&path).map_err(|source| Failure::File { path, source })
}
