//! Kubernetes' JSON of probes: parses it into checked values and prints these again.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::probe::{AppProbe, AppProbeError, GrpcCheck, HttpGet, ProbeAction, TcpSocket};

/// Kubernetes' defaults.
const PERIOD: i64 = 10;
const TIMEOUT: i64 = 1;
const FAILURES: i64 = 3;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbesWire {
    pub(super) container: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) liveness: Option<ProbeWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) startup: Option<ProbeWire>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProbeWire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exec: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http_get: Option<HttpWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tcp_socket: Option<TcpWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grpc: Option<GrpcWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initial_delay_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    success_threshold: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure_threshold: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    termination_grace_period_seconds: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HttpWire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    port: PortWire,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheme: Option<Scheme>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http_headers: Option<Vec<HeaderWire>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderWire {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TcpWire {
    port: PortWire,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrpcWire {
    port: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PortWire {
    Number(i64),
    Name(String),
}

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Scheme {
    Http,
    Https,
}

// === impl ProbeWire ===

impl ProbeWire {
    pub(super) fn read(
        self,
        port: impl Fn(&str) -> Option<u16>,
    ) -> Result<AppProbe, AppProbeError> {
        if self.exec.is_some() {
            return Err(AppProbeError::Exec);
        }
        if let Some(threshold) = self.success_threshold.filter(|threshold| *threshold != 1) {
            return Err(AppProbeError::SuccessThreshold(threshold));
        }
        let action = match (self.http_get, self.tcp_socket, self.grpc) {
            (Some(http), None, None) => ProbeAction::Http(http.read(port)?),
            (None, Some(tcp), None) => ProbeAction::Tcp(TcpSocket {
                port: tcp.port.resolve(port)?,
                host: tcp.host.filter(|host| !host.is_empty()),
            }),
            (None, None, Some(grpc)) => ProbeAction::Grpc(GrpcCheck {
                port: port_number(grpc.port)?,
                service: grpc.service.unwrap_or_default(),
            }),
            _ => return Err(AppProbeError::Action),
        };
        let number = |name, value: Option<i64>, default: i64, least: i64| {
            let value = value.unwrap_or(default);
            match u32::try_from(value) {
                Ok(number) if value >= least => Ok(number),
                _ => Err(AppProbeError::Number(name)),
            }
        };
        let grace = self.termination_grace_period_seconds.map(u64::try_from).transpose();
        Ok(AppProbe {
            action,
            initial_delay: number("initialDelaySeconds", self.initial_delay_seconds, 0, 0)?,
            period: number("periodSeconds", self.period_seconds, PERIOD, 1)?,
            timeout: number("timeoutSeconds", self.timeout_seconds, TIMEOUT, 1)?,
            failure_threshold: number("failureThreshold", self.failure_threshold, FAILURES, 1)?,
            termination_grace: grace
                .map_err(|_| AppProbeError::Number("terminationGracePeriodSeconds"))?,
        })
    }
}

impl From<AppProbe> for ProbeWire {
    fn from(probe: AppProbe) -> Self {
        let unless = |value: u32, default: i64| {
            let value = i64::from(value);
            (value != default).then_some(value)
        };
        let mut wire = Self {
            exec: None,
            http_get: None,
            tcp_socket: None,
            grpc: None,
            initial_delay_seconds: unless(probe.initial_delay, 0),
            period_seconds: unless(probe.period, PERIOD),
            timeout_seconds: unless(probe.timeout, TIMEOUT),
            success_threshold: None,
            failure_threshold: unless(probe.failure_threshold, FAILURES),
            termination_grace_period_seconds: probe
                .termination_grace
                .map(|grace| i64::try_from(grace).unwrap_or(i64::MAX)),
        };
        match probe.action {
            ProbeAction::Http(http) => wire.http_get = Some(HttpWire::from(http)),
            ProbeAction::Tcp(tcp) => {
                wire.tcp_socket =
                    Some(TcpWire { port: PortWire::Number(tcp.port.into()), host: tcp.host });
            }
            ProbeAction::Grpc(grpc) => {
                let service = Some(grpc.service).filter(|service| !service.is_empty());
                wire.grpc = Some(GrpcWire { port: grpc.port.into(), service });
            }
        }
        wire
    }
}

// === impl HttpWire ===

impl HttpWire {
    fn read(self, port: impl Fn(&str) -> Option<u16>) -> Result<HttpGet, AppProbeError> {
        let headers = self.http_headers.unwrap_or_default();
        let sendable = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7F);
        if let Some(bad) = headers.iter().find(|header| !header.value.bytes().all(sendable)) {
            return Err(AppProbeError::Header(bad.name.clone()));
        }
        Ok(HttpGet {
            path: target(&self.path.unwrap_or_default()),
            port: self.port.resolve(port)?,
            host: self.host.filter(|host| !host.is_empty()),
            tls: self.scheme == Some(Scheme::Https),
            headers: headers.into_iter().map(|header| (header.name, header.value)).collect(),
        })
    }
}

impl From<HttpGet> for HttpWire {
    fn from(http: HttpGet) -> Self {
        let headers: Vec<_> =
            http.headers.into_iter().map(|(name, value)| HeaderWire { name, value }).collect();
        Self {
            path: Some(http.path),
            port: PortWire::Number(http.port.into()),
            host: http.host,
            scheme: http.tls.then_some(Scheme::Https),
            http_headers: Some(headers).filter(|headers| !headers.is_empty()),
        }
    }
}

// === impl PortWire ===

impl PortWire {
    /// Like the kubelet: the text is the name of one of the container's ports, otherwise a number in quotes.
    fn resolve(self, port: impl Fn(&str) -> Option<u16>) -> Result<u16, AppProbeError> {
        match self {
            Self::Number(number) => port_number(number),
            Self::Name(name) => match (port(&name), name.parse()) {
                (Some(number), _) => Ok(number),
                (None, Ok(number)) => port_number(number),
                (None, Err(_)) => Err(AppProbeError::PortName(name)),
            },
        }
    }
}

fn port_number(number: i64) -> Result<u16, AppProbeError> {
    u16::try_from(number).ok().filter(|port| *port > 0).ok_or(AppProbeError::PortNumber(number))
}

/// A path and query that is valid in a request line. Kubernetes also accepts paths that are not.
fn target(path: &str) -> String {
    let path = path.split_once('#').map_or(path, |(path, _)| path);
    let mut target = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        target.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            target.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(target, "%{byte:02X}");
        }
    }
    target
}
