//! The authorities on a real etcd with the configuration of a member: who is let in, before and after rotations.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it fails"
)]

use std::fs;
use std::io;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cairn_core::time::UnixMillis;
use cairn_kit::clock;
use cairn_store::etcd::ClientPem;
use cairn_webhook::etcd_ca::authority::Side;
use cairn_webhook::etcd_ca::{Authorities, Issuer, Lives};
use cairn_webhook::etcd_member::tls::{MemberTls, Renewal};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Map, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(60);

/// One running member.
struct Member {
    tls: MemberTls,
    client: u16,
    peer: u16,
    process: Child,
    _dir: TempDir,
}

/// What a connection brings with it.
type Shown<'a> = Option<&'a ClientPem>;

impl Member {
    async fn start(authorities: &Authorities) -> Self {
        let dir = TempDir::new().unwrap();
        let hosts = vec!["127.0.0.1".to_owned()];
        let tls = MemberTls { dir: dir.path().join("tls"), hosts, lives: Lives::default() };
        tls.begin("m", authorities, now()).unwrap();
        let (client, peer) = (free_port(), free_port());
        let url = |port| format!("https://127.0.0.1:{port}");
        let mut config: Map<_, _> =
            tls.settings().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let own = json!({
            "name": "m", "data-dir": dir.path().join("data"), "unsafe-no-fsync": true,
            "listen-client-urls": url(client), "advertise-client-urls": url(client),
            "listen-peer-urls": url(peer), "initial-advertise-peer-urls": url(peer),
            "initial-cluster": format!("m={}", url(peer)),
        });
        config.extend(own.as_object().unwrap().clone());
        let path = dir.path().join("etcd.json");
        fs::write(&path, json!(config).to_string()).unwrap();
        let log = dir.path().join("log");
        let process = Command::new(cairn_test_etcd::binary())
            .arg("--config-file")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .expect("run `e2e/cluster/cluster build etcd` first");
        let serving = async {
            while !fs::read_to_string(&log).unwrap().contains("serving client traffic securely") {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let started = timeout(PATIENCE, serving).await;
        assert!(started.is_ok(), "{}", fs::read_to_string(&log).unwrap());
        Self { tls, client, peer, process, _dir: dir }
    }

    async fn lets_in(&self, port: u16, roots: &str, shown: Shown<'_>) -> bool {
        match version(port, roots, shown).await {
            Ok((answer, _)) => answer.contains("etcdserver"),
            Err(error) => {
                println!("{port}: {error}");
                false
            }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn chains_of_former_and_present_issuers_are_accepted_without_a_restart() {
    let first = Authorities::new(&Lives::default(), now()).unwrap();
    let member = Member::start(&first).await;
    let roots = first.members.root.chain.as_str();
    let former = client_of(&first.clients.issuer);
    assert!(member.lets_in(member.client, roots, Some(&former)).await);
    let (_, before) = version(member.client, roots, Some(&former)).await.unwrap();

    let second = rotated(&first);
    assert_eq!(member.tls.renew("m", &second, now()).unwrap(), Renewal::Fresh);
    // Half of its life has not passed, so it must be lost to be renewed.
    fs::remove_file(member.tls.dir.join("current/member.crt")).unwrap();
    assert!(matches!(member.tls.renew("m", &second, now()).unwrap(), Renewal::Written(_)));
    let present = client_of(&second.clients.issuer);
    for client in [&former, &present] {
        assert!(member.lets_in(member.client, roots, Some(client)).await);
    }
    let (_, after) = version(member.client, roots, Some(&present)).await.unwrap();
    assert_ne!(before, after, "etcd serves the former certificate");
    let third = rotated(&second);
    assert!(member.lets_in(member.client, roots, Some(&client_of(&third.clients.issuer))).await);
}

#[tokio::test]
async fn who_does_not_belong_is_not_let_in() {
    let ours = Authorities::new(&Lives::default(), now()).unwrap();
    let theirs = Authorities::new(&Lives::default(), now()).unwrap();
    let member = Member::start(&ours).await;
    let roots = ours.members.root.chain.as_str();
    let good = client_of(&ours.clients.issuer);
    assert!(member.lets_in(member.client, roots, Some(&good)).await);

    let expired = ours.clients.issuer.client("root", HOUR, now().before(2 * HOUR)).unwrap();
    let bare = ClientPem { chain: first_of(&good.chain), key: good.key.clone() };
    for (who, shown) in [
        ("nobody", None),
        ("a client of another authority", Some(&client_of(&theirs.clients.issuer))),
        ("a client whose certificate has ended", Some(&expired)),
        ("a client without its issuer", Some(&bare)),
        ("a member", Some(&member_of(&ours))),
    ] {
        assert!(!member.lets_in(member.client, roots, shown).await, "{who} is let in as a client");
    }
    assert!(member.lets_in(member.peer, roots, Some(&member_of(&ours))).await);
    for (who, shown) in [
        ("nobody", None),
        ("a client", Some(&good)),
        ("a member of another authority", Some(&member_of(&theirs))),
    ] {
        assert!(!member.lets_in(member.peer, roots, shown).await, "{who} is let in as a member");
    }
    // And we do not talk to who is no member.
    let other = theirs.members.root.chain.as_str();
    let refused = version(member.client, other, Some(&good)).await.unwrap_err().to_string();
    assert!(refused.contains("UnknownIssuer") || refused.contains("BadSignature"), "{refused}");
    let mut plain = TcpStream::connect(("127.0.0.1", member.client)).await.unwrap();
    plain.write_all(b"GET /version HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = plain.read_to_string(&mut answer).await;
    assert!(!answer.contains("etcdserver"), "{answer}");
}

fn now() -> UnixMillis {
    clock::now().wall
}

/// The same roots with new issuers, long before they are due.
fn rotated(before: &Authorities) -> Authorities {
    let lives = Lives::default();
    Authorities {
        clients: before.clients.renewed(Side::Clients, &lives, now()).unwrap(),
        members: before.members.renewed(Side::Members, &lives, now()).unwrap(),
    }
}

fn client_of(issuer: &Issuer) -> ClientPem {
    issuer.client("root", HOUR, now()).unwrap()
}

fn member_of(authorities: &Authorities) -> ClientPem {
    let hosts = ["127.0.0.1".to_owned()];
    let (issued, key) = authorities.members.issuer.member("n", &hosts, HOUR, now()).unwrap();
    ClientPem { chain: issued.chain, key }
}

fn first_of(chain: &str) -> String {
    const END: &str = "-----END CERTIFICATE-----\n";
    chain.split_inclusive(END).next().unwrap().to_owned()
}

/// Asks for the version over TLS. Returns the answer and the certificate of the server.
async fn version(port: u16, roots: &str, shown: Shown<'_>) -> io::Result<(String, Vec<u8>)> {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(roots.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let chain = CertificateDer::pem_slice_iter(client.chain.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
        }
    };
    let socket = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    stream.write_all(b"GET /version HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("no answer");
    // etcd closes without a TLS notice; only an empty answer is a refusal.
    if answer.is_empty() {
        read?;
    }
    let served = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    Ok((answer, served))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
