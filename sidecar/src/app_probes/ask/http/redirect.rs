//! The targets of redirects that a probe follows.

use axum::http::Uri;
use axum::http::uri::Scheme;

/// A URL, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query.
    pub(super) path: String,
}

impl Target {
    /// The target of a redirect. `None` if it leads to another host or cannot be parsed: then the probe has
    /// succeeded.
    pub(super) fn follow(&self, location: &str) -> Option<Self> {
        let location = location.split_once('#').map_or(location, |(before, _)| before);
        let absolute = match location.strip_prefix("//") {
            Some(rest) => format!("{}://{rest}", if self.tls { "https" } else { "http" }),
            None => location.to_owned(),
        };
        if !absolute.contains("://") {
            return Some(Self { path: self.resolve(location), ..self.clone() });
        }
        let uri: Uri = absolute.parse().ok()?;
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host()?.trim_matches(['[', ']']);
        if !host.eq_ignore_ascii_case(&self.host) {
            return None;
        }
        Some(Self {
            tls,
            host: self.host.clone(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }

    fn resolve(&self, location: &str) -> String {
        let path = self.path.split_once('?').map_or(&*self.path, |(path, _)| path);
        if location.starts_with('/') {
            return location.to_owned();
        }
        if location.is_empty() {
            return self.path.clone();
        }
        if location.starts_with('?') {
            return format!("{path}{location}");
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{location}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_followed_on_the_same_host_only() {
        let from = Target { tls: false, host: "10.0.0.7".into(), port: 80, path: "/a/b?c".into() };
        let to = |tls, port, path: &str| {
            Some(Target { tls, port, path: path.into(), host: "10.0.0.7".into() })
        };
        for (location, expected) in [
            ("/ready", to(false, 80, "/ready")),
            ("ready?x", to(false, 80, "/a/ready?x")),
            ("?x", to(false, 80, "/a/b?x")),
            ("http://10.0.0.7:8080/x#y", to(false, 8080, "/x")),
            ("https://10.0.0.7", to(true, 443, "/")),
            ("//10.0.0.7/x", to(false, 80, "/x")),
            ("https://login.example.com/", None),
            ("http://[", None),
        ] {
            assert_eq!(from.follow(location), expected, "{location}");
        }
    }
}
