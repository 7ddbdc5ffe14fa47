//! HTTP probes by the kubelet's rules: a status from 200 to 399 is a success, and redirects are followed on the same
//! host.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use cairn_core::app_probe::HttpGet;

use super::{USER_AGENT, authority, connect, tls};
use crate::exchange::{self, Stream};

mod redirect;

use redirect::Target;

/// How much of a response body is read. It is the limit of the kubelet.
const READ_LIMIT: usize = 10 * 1024;
/// The limit of Go's HTTP client, which the kubelet uses.
const MAX_REDIRECTS: usize = 10;

/// Runs the probe.
pub(super) async fn ask(get: &HttpGet, host: &str) -> Result<(), String> {
    let mut target =
        Target { tls: get.tls, host: host.to_owned(), port: get.port, path: get.path.clone() };
    for _ in 0..=MAX_REDIRECTS {
        let (status, location) = once(get, &target).await?;
        if !status.is_success() && !status.is_redirection() {
            return Err(format!("status {}", status.as_u16()));
        }
        let next = location.filter(|_| is_followed(status));
        match next.and_then(|location| target.follow(&location)) {
            Some(next) => target = next,
            None => return Ok(()),
        }
    }
    Err(format!("more than {MAX_REDIRECTS} redirects"))
}

/// Sends one request. Returns the status and the redirect.
async fn once(get: &HttpGet, target: &Target) -> Result<(StatusCode, Option<String>), String> {
    let request = request(get, target)?;
    let tcp = connect(&target.host, target.port).await?;
    let stream: Box<dyn Stream> =
        if target.tls { Box::new(tls::connect(tcp, &target.host).await?) } else { Box::new(tcp) };
    // Only the status counts; a body that cannot be read is ignored.
    let (head, _) = exchange::send(stream, request, READ_LIMIT)
        .await
        .map_err(|error| format!("no HTTP answer: {error}"))?;
    let location = head.headers.get(header::LOCATION);
    Ok((head.status, location.and_then(|value| value.to_str().ok()).map(str::to_owned)))
}

fn request(get: &HttpGet, target: &Target) -> Result<Request<Body>, String> {
    let bad = |what: &str| format!("{what} cannot be sent");
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = target.path.parse().map_err(|_| bad("the path"))?;
    let headers = request.headers_mut();
    for (name, value) in &get.headers {
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(name))?;
        headers.append(known, HeaderValue::from_str(value).map_err(|_| bad(name))?);
    }
    let default_port = if target.tls { 443 } else { 80 };
    let host = if target.port == default_port && !target.host.contains(':') {
        target.host.clone()
    } else {
        authority(&target.host, target.port)
    };
    let host = HeaderValue::from_str(&host).map_err(|_| bad("the host"))?;
    headers.entry(header::HOST).or_insert(host);
    let agent = HeaderValue::from_static(USER_AGENT);
    headers.entry(header::USER_AGENT).or_insert(agent);
    match headers.get(header::ACCEPT) {
        None => {
            headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        }
        // Kubernetes documents an empty value as the way to send no header.
        Some(value) if value.is_empty() => {
            headers.remove(header::ACCEPT);
        }
        Some(_) => {}
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// Whether Go's HTTP client, which the kubelet uses, follows this redirect.
fn is_followed(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
