//! An etcd of one's own, outside of Cairn's chart: first without TLS, then with one certificate for all pods, then with
//! a certificate for each namespace. The test has a cluster of its own, because Cairn is installed with other values.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cairn_e2e::access::Access;
use cairn_e2e::app::App;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::etcd::etcdctl_at;
use cairn_e2e::install::NAMESPACE;
use cairn_e2e::ns::{Namespace, apart, in_namespace};
use cairn_e2e::pod::{Container, Pod};
use cairn_e2e::run::run;
use cairn_e2e::wait::{Seen, secs, until, until_quickly};
use cairn_e2e::{Done, Failure, json, paths};
use tempfile::TempDir;

/// Free on a node of e2e/cluster.
const CLIENT_PORT: u16 = 32379;
const PLAIN_PORT: u16 = 32378;
const PEER_PORT: u16 = 32380;
/// The Secrets' common form, which the chart mounts.
const ISSUER: &str = "own-etcd-issuer";
const CLIENT: &str = "own-etcd-client";

#[test]
fn an_etcd_of_ones_own_works_plain_then_with_one_certificate_and_then_with_one_for_each_namespace()
-> Done {
    apart("own", |cluster| {
        let etcd = OwnEtcd::start(cluster)?;
        cluster.kubectl(&["create", "namespace", NAMESPACE])?.ok()?;
        etcd.secret(ISSUER, "issuer")?;
        etcd.secret(CLIENT, "client")?;

        // As an installation from before there was TLS.
        etcd.install(&etcd.plain_url, "etcd.isolation=none")?;
        in_namespace(cluster, "before", |ns| {
            let veteran = Veteran::start(ns)?;
            one_certificate_for_all(&etcd)?;
            veteran.runs_on()?;
            one_certificate_for_each_namespace(&etcd)?;
            veteran.runs_on()
        })
    })
}

fn one_certificate_for_all(etcd: &OwnEtcd<'_>) -> Done {
    etcd.install(&etcd.url, &format!("etcd.isolation=none,etcd.clientSecret={CLIENT}"))?;
    in_namespace(etcd.cluster, "alike", |ns| {
        let pod = App::claiming("checkout", "mountains").deploy(ns)?.remove(0);
        assert_eq!(pod.claimed("mountains")?, "Denali");
        let one = etcd.folder("client")?;
        assert!(etcd.ctl(&one, &["auth", "status"])?.contains("Status: false"));
        Ok(())
    })
}

fn one_certificate_for_each_namespace(etcd: &OwnEtcd<'_>) -> Done {
    etcd.install(&etcd.url, &format!("etcd.issuerSecret={ISSUER}"))?;
    in_namespace(etcd.cluster, "apart", |ns| {
        let pod = App::claiming("checkout", "mountains,snowflake").deploy(ns)?.remove(0);
        assert_eq!(pod.claimed("mountains")?, "Denali");
        let dir = etcd.dir.path().join("admin");
        let admin = Access::ask(etcd.cluster, &dir, "10m")?;
        assert!(etcd.ctl(&admin, &["auth", "status"])?.contains("Status: true"));
        let users = etcd.ctl(&admin, &["user", "list"])?;
        assert!(users.lines().any(|user| user == format!("cairn:{}", ns.name)), "{users}");
        // The former certificate is still genuine, but it is no user's.
        let refused = etcd.ctl(&etcd.folder("client")?, &["get", "/cairn/v1/epoch"]);
        assert!(refused.is_err(), "a certificate without a user reads keys");
        Ok(())
    })
}

/// A pod with two claims that lives through upgrades.
struct Veteran<'a> {
    pod: Pod<'a>,
    before: (Container, String, String),
}

impl<'a> Veteran<'a> {
    fn start(ns: &'a Namespace) -> Result<Self, Failure> {
        let pod = App::claiming("veteran", "snowflake,mountains").deploy(ns)?.remove(0);
        pod.claimed("mountains")?;
        let before = Self::state(&pod)?;
        Ok(Self { pod, before })
    }

    /// Waits until it has renewed its claims, and checks that nothing else has changed.
    fn runs_on(&self) -> Done {
        let valid_until = || -> Result<_, Failure> {
            let claim = self.pod.claim()?;
            assert_eq!(Self::state(&self.pod)?, self.before, "it was stopped, or lost its claim");
            Ok(json::text(&claim, "/valid_until").unwrap_or_default())
        };
        for _ in 0..2 {
            let last = valid_until()?;
            until("the veteran renews its claims", secs(60), || {
                let now = valid_until()?;
                Ok(if now > last { Seen::Yes(()) } else { Seen::NotYet(now) })
            })?;
        }
        assert_eq!(json::text(&self.pod.claim()?, "/state").as_deref(), Some("held"));
        Ok(())
    }

    fn state(pod: &Pod<'_>) -> Result<(Container, String, String), Failure> {
        Ok((pod.container("app")?, pod.file("snowflake/name")?, pod.file("snowflake/fence")?))
    }
}

/// An etcd on the node, with certificates of openssl.
struct OwnEtcd<'a> {
    cluster: &'a Cluster,
    dir: TempDir,
    url: String,
    /// Without TLS, for clients that do not know better yet.
    plain_url: String,
    process: Option<Child>,
}

impl<'a> OwnEtcd<'a> {
    fn start(cluster: &'a Cluster) -> Result<Self, Failure> {
        let dir = TempDir::new().map_err(|source| file(Path::new("a temporary folder"), source))?;
        let address = address_of(cluster)?;
        let url = format!("https://{address}:{CLIENT_PORT}");
        let plain_url = format!("http://{address}:{PLAIN_PORT}");
        let mut etcd = Self { cluster, dir, url, plain_url, process: None };
        etcd.make_certificates(&address)?;
        let (log, peer) = (etcd.path("log"), format!("http://127.0.0.1:{PEER_PORT}"));
        let errors = File::create(&log).map_err(|source| file(&log, source))?;
        let process = cluster
            .entering()
            .arg("etcd")
            .arg("--data-dir")
            .arg(etcd.path("data"))
            .args(["--listen-client-urls", &format!("{},{}", etcd.url, etcd.plain_url)])
            .args(["--advertise-client-urls", &etcd.url])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--enable-grpc-gateway=false"])
            .arg("--client-cert-auth")
            .arg("--trusted-ca-file")
            .arg(etcd.path("ca.crt"))
            .arg("--cert-file")
            .arg(etcd.path("server.crt"))
            .arg("--key-file")
            .arg(etcd.path("server.key"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(|source| Failure::Start { program: "etcd".to_owned(), source })?;
        etcd.process = Some(process);
        until_quickly("etcd serves", secs(60), || {
            let text = fs::read_to_string(&log).map_err(|source| file(&log, source))?;
            let serves = text.contains("serving client traffic securely");
            let last = text.lines().last().unwrap_or_default().to_owned();
            Ok(if serves { Seen::Yes(()) } else { Seen::NotYet(last) })
        })?;
        Ok(etcd)
    }

    /// A root, a server, an issuer below the root, and a client.
    fn make_certificates(&self, address: &str) -> Done {
        self.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=own etcd root",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ])?;
        let server = format!("subjectAltName=IP:{address}\nextendedKeyUsage=serverAuth");
        let issuer = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign";
        self.sign("server", "/CN=own etcd", &server)?;
        self.sign("issuer", "/CN=own etcd issuer for cairn", issuer)?;
        self.sign("client", "/CN=pods", "extendedKeyUsage=clientAuth")
    }

    fn sign(&self, name: &str, subject: &str, extensions: &str) -> Done {
        let [key, csr, crt, ext] = ["key", "csr", "crt", "ext"].map(|end| format!("{name}.{end}"));
        let path = self.path(&ext);
        fs::write(&path, extensions).map_err(|source| file(&path, source))?;
        self.openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            subject,
            "-keyout",
            &key,
            "-out",
            &csr,
        ])?;
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &csr,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "1",
            "-extfile",
            &ext,
            "-out",
            &crt,
        ])
    }

    fn openssl(&self, args: &[&str]) -> Done {
        run(Command::new("openssl").args(args).current_dir(self.dir.path()), None)?.ok().map(drop)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The Secret that the chart's values name.
    fn secret(&self, secret: &str, name: &str) -> Done {
        let from = [
            ("ca.crt", "ca.crt"),
            ("tls.crt", &*format!("{name}.crt")),
            ("tls.key", &format!("{name}.key")),
        ]
        .map(|(entry, file)| format!("--from-file={entry}={}", self.path(file).display()));
        let create = ["-n", NAMESPACE, "create", "secret", "generic", secret];
        let from = from.each_ref().map(String::as_str);
        self.cluster.kubectl(&[&create[..], &from].concat())?.ok().map(drop)
    }

    fn install(&self, endpoint: &str, values: &str) -> Done {
        let repository = paths::repository();
        let path = |name: &str| repository.join(name).to_string_lossy().into_owned();
        let (chart, file) = (path("charts/cairn"), path("e2e/values.yaml"));
        let set = format!("etcd.enabled=false,etcd.endpoints={{{endpoint}}},{values}");
        let release = ["upgrade", "--install", "cairn", &chart, "--namespace", NAMESPACE];
        let settings = ["--values", &file, "--set", &set, "--wait", "--timeout", "120s"];
        self.cluster.helm(&[&release[..], &settings].concat())?.ok().map(drop)
    }

    /// The three files of a client in a folder of their own.
    fn folder(&self, name: &str) -> Result<Access, Failure> {
        let dir = self.path(&format!("{name}.files"));
        fs::create_dir_all(&dir).map_err(|source| file(&dir, source))?;
        for (from, to) in [
            ("ca.crt", "ca.crt"),
            (&*format!("{name}.crt"), "tls.crt"),
            (&format!("{name}.key"), "tls.key"),
        ] {
            fs::copy(self.path(from), dir.join(to)).map_err(|source| file(&dir, source))?;
        }
        Ok(Access::in_folder(&dir))
    }

    fn ctl(&self, access: &Access, args: &[&str]) -> Result<String, Failure> {
        etcdctl_at(self.cluster, &self.url, &access.etcdctl_flags(), args)?.ok()
    }
}

impl Drop for OwnEtcd<'_> {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Both fail only when the process has already ended.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The node's address in the cluster's network.
fn address_of(cluster: &Cluster) -> Result<String, Failure> {
    let nodes = cluster.get(&["nodes"])?;
    let addresses = json::list(&nodes, "/items/0/status/addresses");
    let internal =
        addresses.iter().find(|one| json::text(one, "/type").as_deref() == Some("InternalIP"));
    internal
        .and_then(|one| json::text(one, "/address"))
        .ok_or_else(|| Failure::new("the node has no address"))
}

fn file(path: &Path, source: std::io::Error) -> Failure {
    Failure::File { path: path.to_path_buf(), source }
}
