//! Who `cairn ui` answers, and with what. The page itself, in a browser: `page.rs`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use serde_json::Value;

#[path = "store/fixture.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod fixture;
#[path = "page/server.rs"]
mod server;

use fixture::Fixture;
use server::Server;

/// How many lines of the feed a test waits for: a line or more comes every two seconds, because etcd's latency changes.
const MOST_LINES: usize = 300;

/// Nothing listens there.
const NO_ETCD: &str = "http://127.0.0.1:1";

impl Server {
    fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap().split('/').next().unwrap()
    }

    fn secret(&self) -> &str {
        self.url.strip_suffix('/').unwrap().rsplit('/').next().unwrap()
    }

    fn sends(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(request.replace('\n', "\r\n").as_bytes()).unwrap();
        stream
    }

    /// The status, the head in lower case and the body of an answer.
    fn answers(&self, method: &str, path: &str, headers: &str) -> (u16, String, String) {
        let head = format!("{method} {path} HTTP/1.1\n{headers}Connection: close\n\n");
        let mut answer = String::new();
        self.sends(&head).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    fn gets(&self, path: &str) -> (u16, String, String) {
        self.answers("GET", path, "Host: localhost\n")
    }
}

#[test]
fn everything_is_below_a_path_that_is_new_at_each_start() {
    let [server, other] = [Server::start(NO_ETCD), Server::start(NO_ETCD)];
    assert_ne!(server.secret(), other.secret());
    assert!(server.secret().len() >= 32, "{}", server.secret());
    for file in ["", "app.js", "style.css"] {
        assert_eq!(server.gets(&format!("/{}/{file}", server.secret())).0, 200, "{file}");
        for path in [format!("/{file}"), format!("/{}/{file}", other.secret())] {
            let (status, _, body) = server.gets(&path);
            assert_eq!(status, 404, "{path}");
            assert!(body.contains("open the URL that cairn ui prints"), "{body}");
        }
    }
    assert_eq!(server.gets("/events").0, 404);
}

#[test]
fn other_hosts_and_pages_of_other_sites_are_refused() {
    let server = Server::start(NO_ETCD);
    for path in
        [format!("/{}/", server.secret()), format!("/{}/events", server.secret()), "/".to_owned()]
    {
        for headers in [
            "Host: rebound.example\n",
            "",
            "Host: localhost\nOrigin: https://shop.example\n",
            "Host: localhost\nSec-Fetch-Site: cross-site\n",
            "Host: 127.0.0.1\nSec-Fetch-Site: same-site\n",
        ] {
            let (status, head, _) = server.answers("GET", &path, headers);
            assert!(
                status == 403 || (status == 400 && headers.is_empty()),
                "{path} {headers}: {head}"
            );
            assert!(!head.contains("access-control-"), "{head}");
        }
    }
}

#[test]
fn it_listens_on_loopback_only() {
    let server = Server::start(NO_ETCD);
    assert!(server.address().starts_with("127.0.0.1:"), "{}", server.url);
    let port: u16 = server.address().rsplit(':').next().unwrap().parse().unwrap();
    // Were it bound to all addresses, this port would be taken on another one of loopback, too.
    TcpListener::bind(("127.0.0.2", port)).unwrap();
}

#[test]
fn every_answer_forbids_content_of_other_hosts_and_frames() {
    let server = Server::start(NO_ETCD);
    for path in [format!("/{}/", server.secret()), "/elsewhere".to_owned()] {
        let (_, head, _) = server.gets(&path);
        for header in [
            "content-security-policy: default-src 'self';",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
    }
}

#[test]
fn it_is_read_only() {
    let server = Server::start(NO_ETCD);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["", "events", "lease/1"] {
            let path = format!("/{}/{path}", server.secret());
            let headers = "Host: localhost\nContent-Length: 0\n";
            assert_eq!(server.answers(method, &path, headers).0, 405, "{method} {path}");
        }
    }
}

#[test]
fn the_feed_begins_with_everything_and_goes_on_with_what_changes() {
    let fixture = Fixture::new();
    fixture.claim("mountains", "shop", None, "Denali", "pod-a");
    let server = Server::start(fixture.process.url());
    let request = format!("GET /{}/events HTTP/1.1\nHost: localhost\n\n", server.secret());
    let mut lines = BufReader::new(server.sends(&request)).lines().map(Result::unwrap);
    let mut until = |wanted: &str| {
        let mut lines = lines.by_ref().take(MOST_LINES);
        let line = lines.find(|line| line.starts_with("data:") && line.contains(wanted)).unwrap();
        serde_json::from_str::<Value>(line.strip_prefix("data:").unwrap()).unwrap()
    };
    let message = until("slot/mountains/shop/-/Denali");
    assert_eq!(message["set"]["slot/mountains/shop/-/Denali"]["pod"], "pod-a");
    fixture.claim("mountains", "shop", None, "MtLogan", "pod-b");
    let message = until("slot/mountains/shop/-/MtLogan");
    assert!(
        message["set"]["slot/mountains/shop/-/Denali"].is_null(),
        "only what has changed: {message}"
    );
}

#[test]
fn a_browser_that_comes_back_gets_what_it_has_missed() {
    let fixture = Fixture::new();
    fixture.claim("mountains", "shop", None, "Denali", "pod-a");
    let server = Server::start(fixture.process.url());
    // The id and the data of the first event that contains this; between them, the name of the first event of all.
    let event = |last: Option<&str>, wanted: &str| {
        let last = last.map(|id| format!("Last-Event-ID: {id}\n")).unwrap_or_default();
        let path = format!("/{}/events", server.secret());
        let request = format!("GET {path} HTTP/1.1\nHost: localhost\n{last}\n");
        let mut fields = [const { String::new() }; 3];
        let lines = BufReader::new(server.sends(&request)).lines().map(Result::unwrap);
        for line in lines.take(MOST_LINES) {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            match name {
                "id" => fields[0] = value.trim().to_owned(),
                "event" if fields[1].is_empty() => fields[1] = value.trim().to_owned(),
                "data" => fields[2] = value.trim().to_owned(),
                _ if line.is_empty() && !fields[2].is_empty() && fields[2].contains(wanted) => {
                    break;
                }
                _ => {}
            }
        }
        assert!(fields[2].contains(wanted), "no event has {wanted}");
        fields
    };
    let [id, name, _] = event(None, "slot/mountains/shop/-/Denali");
    assert_eq!(name, "all");
    fixture.claim("mountains", "shop", None, "MtLogan", "pod-b");
    let [_, name, missed] = event(Some(&id), "slot/mountains/shop/-/MtLogan");
    assert_eq!(name, "changes");
    assert!(!missed.contains("slot/mountains/shop/-/Denali"), "it has that: {missed}");
    // Numbers that this server cannot have given, and what is no number.
    for unknown in ["18446744073709551615", "denali"] {
        let [_, name, all] = event(Some(unknown), "");
        assert_eq!(name, "all", "{unknown}");
        assert!(all.contains("mountains/shop/-/Denali") && all.contains("shop/-/MtLogan"), "{all}");
    }
}

#[test]
fn the_number_of_windows_is_bounded() {
    let server = Server::start(NO_ETCD);
    let path = format!("/{}/events", server.secret());
    let request = format!("GET {path} HTTP/1.1\nHost: localhost\n\n");
    let windows: Vec<_> = (0..17).map(|_| server.sends(&request)).collect();
    let mut statuses = windows.iter().map(|window| {
        let mut status = String::new();
        BufReader::new(window).read_line(&mut status).unwrap();
        status.split(' ').nth(1).unwrap().to_owned()
    });
    let refused: Vec<String> = statuses.by_ref().filter(|status| status == "503").collect();
    assert_eq!(refused.len(), 1, "of 17");
}

#[test]
fn a_lease_is_read_for_somebody_who_looks_at_it() {
    let fixture = Fixture::new();
    fixture.claim("mountains", "shop", None, "Denali", "pod-a");
    let server = Server::start(fixture.process.url());
    let request = format!("GET /{}/events HTTP/1.1\nHost: localhost\n\n", server.secret());
    let lines = BufReader::new(server.sends(&request)).lines().map(Result::unwrap);
    let line = lines.into_iter().find(|line| line.contains("/Denali")).unwrap();
    let message: Value = serde_json::from_str(line.strip_prefix("data:").unwrap()).unwrap();
    let lease =
        message["set"]["slot/mountains/shop/-/Denali"]["lease"].as_str().unwrap().to_owned();
    let (status, _, body) = server.gets(&format!("/{}/lease/{lease}", server.secret()));
    let left: Value = serde_json::from_str(&body).unwrap();
    assert!(
        status == 200 && left["seconds"].as_u64().unwrap() <= fixture::LONG.as_secs(),
        "{body}"
    );
    let gone: Value =
        serde_json::from_str(&server.gets(&format!("/{}/lease/1", server.secret())).2).unwrap();
    assert!(gone["seconds"].is_null(), "{gone}");
    assert_eq!(server.gets(&format!("/{}/lease/denali", server.secret())).0, 400);
}

#[test]
fn wrong_flags_and_a_port_in_use_end_it_with_one_sentence() {
    let ui = |flags: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_cairn")).arg("ui").args(flags).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, message) = ui(&["--etcd", "ftp://etcd"]);
    assert_eq!((code, message.lines().count()), (2, 1), "{message}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, message) = ui(&["--etcd", NO_ETCD, "--port", &port]);
    assert_eq!(code, 1);
    assert!(
        message.contains("cannot listen on 127.0.0.1:") && message.contains("--port"),
        "{message}"
    );
}
