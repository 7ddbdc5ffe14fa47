//! Tables of what is answered and what is refused. On real connections: `sidecar/tests/it/guard.rs`.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::Method;

use super::*;

const LOOPBACK: &str = "127.0.0.1";

/// Why a request with these headers is refused from a peer: an address, `socket` or `unknown`.
fn refusal(peer: &str, target: &str, headers: &[(&str, &str)]) -> Option<Forbidden> {
    let peer = match peer {
        "unknown" => None,
        "socket" => Some(Peer::Process(1)),
        address => Some(Peer::Address(address.parse::<IpAddr>().unwrap().to_canonical())),
    };
    let mut request = Request::builder().method(Method::GET).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    decide(peer, request.uri(), request.headers()).err()
}

/// Over TCP from this machine, with the right host and these headers.
fn browser(headers: &[(&str, &str)]) -> Option<Forbidden> {
    refusal(LOOPBACK, "/v1/claims", &[&[("host", "localhost")], headers].concat())
}

#[test]
fn only_peers_on_loopback_and_on_the_socket_are_answered() {
    for peer in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "socket"] {
        assert_eq!(refusal(peer, "/v1/claims", &[("host", "localhost")]), None, "{peer}");
    }
    for peer in ["10.1.2.3", "128.0.0.1", "0.0.0.0", "::", "fe80::1", "fd00::2", "unknown"] {
        let found = refusal(peer, "/v1/claims", &[("host", "localhost")]);
        assert_eq!(found, Some(Forbidden::Peer), "{peer}");
    }
}

#[test]
fn hosts_that_dns_cannot_point_here_are_answered() {
    for host in [
        "localhost",
        "LocalHost",
        "localhost:24040",
        "127.0.0.1",
        "127.0.0.1:24040",
        "127.0.0.1:8080",
        "127.1.2.3",
        "[::1]",
        "[::1]:24040",
        "[::ffff:127.0.0.1]",
    ] {
        assert_eq!(refusal(LOOPBACK, "/", &[("host", host)]), None, "{host}");
    }
}

#[test]
fn every_other_host_is_refused() {
    for host in [
        "",
        "rebound.example",
        "rebound.example:24040",
        "localhost.example",
        "localhost.",
        "xlocalhost",
        "127.0.0.1.example",
        "127.0.0.1@rebound.example",
        "rebound.example@127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "::1",
        "[::1",
        "[::1]x",
        "[::2]",
        "[localhost]",
        "localhost:",
        "localhost:+80",
        "localhost:99999",
        "localhost:80:80",
        "localhost/",
        "http://localhost",
        " localhost",
        "localhost,rebound.example",
    ] {
        let found = refusal(LOOPBACK, "/", &[("host", host)]);
        assert_eq!(found, Some(Forbidden::Host), "{host}");
    }
}

#[test]
fn a_host_must_be_named_exactly_once() {
    assert_eq!(refusal(LOOPBACK, "/", &[]), Some(Forbidden::Host));
    let twice = [("host", "localhost"), ("host", "localhost")];
    assert_eq!(refusal(LOOPBACK, "/", &twice), Some(Forbidden::Host));
}

#[test]
fn the_host_of_an_absolute_target_counts_as_well() {
    let host = [("host", "localhost")];
    assert_eq!(refusal(LOOPBACK, "http://127.0.0.1:24040/v1/claims", &host), None);
    let foreign = refusal(LOOPBACK, "http://rebound.example/v1/claims", &host);
    assert_eq!(foreign, Some(Forbidden::Host));
}

#[test]
fn the_socket_has_no_names() {
    for headers in [&[][..], &[("host", "cairn")], &[("host", "rebound.example")]] {
        assert_eq!(refusal("socket", "/v1/claims", headers), None, "{headers:?}");
    }
}

#[test]
fn pages_of_this_machine_and_addresses_that_a_person_typed_are_answered() {
    for headers in [
        &[][..],
        &[("origin", "http://localhost:24040")],
        &[("origin", "http://127.0.0.1:24040"), ("sec-fetch-site", "same-origin")],
        &[("origin", "https://[::1]:8443")],
        &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
    ] {
        assert_eq!(browser(headers), None, "{headers:?}");
    }
}

#[test]
fn pages_of_other_sites_are_refused() {
    for headers in [
        &[("origin", "https://shop.example")][..],
        &[("origin", "http://rebound.example:24040"), ("sec-fetch-site", "same-origin")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "localhost")],
        &[("origin", "file://localhost")],
        &[("origin", "http://localhost.example")],
        &[("origin", "http://localhost@shop.example")],
        &[("origin", "http://localhost"), ("origin", "http://shop.example")],
        &[("sec-fetch-site", "cross-site")],
        // Another port of this machine is another site's page all the same.
        &[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "")],
        &[("sec-fetch-site", "something-new")],
        &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(browser(headers), Some(Forbidden::CrossSite), "{headers:?}");
        // A proxy may pass them on to the socket.
        let on_socket = refusal("socket", "/v1/claims", headers);
        assert_eq!(on_socket, Some(Forbidden::CrossSite), "{headers:?}");
    }
}

#[test]
fn headers_that_are_not_text_are_refused() {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_bytes(b"localhost\xff").unwrap());
    let target = Uri::from_static("/v1/claims");
    let peer = Some(Peer::Address(LOOPBACK.parse().unwrap()));
    assert_eq!(decide(peer, &target, &headers).err(), Some(Forbidden::Host));
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.insert(ORIGIN, HeaderValue::from_bytes(b"http://localhost\xff").unwrap());
    assert_eq!(decide(peer, &target, &headers).err(), Some(Forbidden::CrossSite));
}

#[test]
fn the_host_of_http2_is_in_the_target() {
    for authority in ["localhost", "127.0.0.1:24040", "[::1]:24040"] {
        assert_eq!(refusal(LOOPBACK, &format!("http://{authority}/"), &[]), None, "{authority}");
    }
    let rebound = refusal(LOOPBACK, "http://rebound.example/", &[]);
    assert_eq!(rebound, Some(Forbidden::Host));
    let both = refusal(LOOPBACK, "http://localhost/", &[("host", "rebound.example")]);
    assert_eq!(both, Some(Forbidden::Host));
    assert_eq!(refusal(LOOPBACK, "/", &[]), Some(Forbidden::Host), "it names no host at all");
}
