//! An etcd that asks for certificates and has authentication on.

use std::thread;

use etcd_client::{
    Certificate as Root, Client, ConnectOptions, Identity, TlsOptions, UserAddOptions,
};

use crate::pki::{Certificate, Pki};
use crate::{Reach, TestEtcd, TestEtcdError};

/// The names under which the tests reach a member.
const NAMES: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

/// The user who may do everything.
const ROOT: &str = "root";

// === impl TestEtcd ===

impl TestEtcd {
    /// Starts a member that serves only clients with a certificate of its authority, and turns authentication on. The
    /// user is the certificate's common name; the only one is root.
    pub fn start_secure() -> Result<Self, TestEtcdError> {
        Self::start_tls(&[])?.with_auth()
    }

    /// The same on every address, as in an installation. Its URL is that of `::1`.
    pub fn start_secure_on_v6() -> Result<Self, TestEtcdError> {
        Self::start_attempts(&[], Some(Pki::new("test")?), Reach::V6)?.with_auth()
    }

    fn with_auth(self) -> Result<Self, TestEtcdError> {
        let etcd = self;
        let (url, root) = (etcd.url().to_owned(), etcd.client(ROOT)?);
        // A thread, because the caller may be in a runtime already.
        let enabling = thread::spawn(move || enable_auth(&url, &root));
        match enabling.join() {
            Ok(outcome) => outcome.map_err(TestEtcdError::Auth)?,
            Err(_) => return Err(TestEtcdError::Auth("the thread has panicked".to_owned())),
        }
        Ok(etcd)
    }

    /// The same with authentication off still, and with additional flags.
    pub fn start_tls(flags: &[&str]) -> Result<Self, TestEtcdError> {
        let pki = Pki::new("test")?;
        Self::start_attempts(flags, Some(pki), Reach::V4)
    }

    /// The authority of a member that was started with certificates.
    pub fn pki(&self) -> Result<&Pki, TestEtcdError> {
        self.pki.as_ref().ok_or(TestEtcdError::Plain)
    }

    /// The certificate of a user.
    pub fn client(&self, user: &str) -> Result<Certificate, TestEtcdError> {
        Ok(self.pki()?.client(user)?)
    }

    /// The certificate of a user that has expired.
    pub fn expired_client(&self, user: &str) -> Result<Certificate, TestEtcdError> {
        Ok(self.pki()?.expired_client(user)?)
    }

    /// A certificate that names a user, of an authority that the member does not trust. It trusts the member.
    pub fn foreign_client(&self, user: &str) -> Result<Certificate, TestEtcdError> {
        let foreign = Pki::new("test")?.client(user)?;
        Ok(Certificate { authorities: self.pki()?.root().to_owned(), ..foreign })
    }

    /// The flags that make a member ask for certificates.
    pub(crate) fn tls_flags(&self) -> Result<Vec<String>, TestEtcdError> {
        let Some(pki) = &self.pki else {
            return Ok(Vec::new());
        };
        let files = pki.member(&NAMES)?.write(self.dir.path(), "member");
        let files = files.map_err(TestEtcdError::Start)?;
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        Ok(vec![
            format!("--cert-file={}", path(&files.chain)),
            format!("--key-file={}", path(&files.key)),
            format!("--trusted-ca-file={}", path(&files.authorities)),
            "--client-cert-auth".to_owned(),
            // It would connect with the member's own certificate.
            "--enable-grpc-gateway=false".to_owned(),
            // As the chart does: the clients' port serves gRPC alone.
            "--listen-client-http-urls=https://127.0.0.1:0".to_owned(),
        ])
    }
}

fn enable_auth(url: &str, root: &Certificate) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let enabling = async {
        let tls = TlsOptions::new()
            .ca_certificate(Root::from_pem(&root.authorities))
            .identity(Identity::from_pem(&root.chain, &root.key));
        let options = ConnectOptions::new().with_tls(tls);
        let mut client = Client::connect([url], Some(options)).await?;
        client.user_add(ROOT, "", Some(UserAddOptions::new().with_no_pwd())).await?;
        client.user_grant_role(ROOT, ROOT).await?;
        client.auth_enable().await.map(drop)
    };
    runtime.block_on(enabling).map_err(|error: etcd_client::Error| error.to_string())
}
