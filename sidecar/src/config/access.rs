//! The flags that say how to reach etcd: directly, or through the webhook's agent.

use std::path::{Path, PathBuf};

use cairn_core::contract::pod;
use cairn_kit::etcd::{EtcdArgs, EtcdTarget, Identity, https_port};

use super::ConfigError;
use crate::enrol::AgentTarget;

/// How to reach etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// The flags say where it is.
    Direct(EtcdTarget),
    /// The agent says where it is, and gives a certificate.
    Enrolled {
        /// The agent.
        agent: AgentTarget,
        /// Which etcd cluster and keys are meant.
        identity: Identity,
    },
}

/// The flags about the agent.
pub(super) struct AgentArgs {
    pub(super) url: Option<String>,
    pub(super) ca: Option<String>,
    pub(super) credentials_dir: PathBuf,
    pub(super) token_file: Option<PathBuf>,
}

// === impl Access ===

impl Access {
    /// Where etcd is, or who says so, for log lines.
    pub fn described(&self) -> String {
        match self {
            Self::Direct(target) => target.endpoints.to_string(),
            Self::Enrolled { agent, .. } => format!("as {} says", agent.url),
        }
    }
}

/// Checks the flags against each other.
pub(super) fn access(etcd: &EtcdArgs, agent: AgentArgs) -> Result<Access, ConfigError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let Some(url) = given(&agent.url) else {
        return Ok(Access::Direct(etcd.target()?));
    };
    if let Some(flag) = etcd.first_of_connection() {
        return Err(ConfigError::AgentAndEtcd(flag));
    }
    if https_port(&url).is_none() {
        return Err(ConfigError::Agent(url));
    }
    let ca = given(&agent.ca).ok_or(ConfigError::NoAgentCa)?;
    let token = || Path::new(pod::TOKEN_DIR).join(pod::TOKEN_FILE);
    let target = AgentTarget {
        url,
        authorities: pem(&ca),
        token_file: agent.token_file.unwrap_or_else(token),
        dir: agent.credentials_dir,
    };
    Ok(Access::Enrolled { agent: target, identity: etcd.identity()? })
}

/// Certificates in base64 as PEM. Wrong ones are refused when the agent is first called.
fn pem(list: &str) -> String {
    let one =
        |der: &str| format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n");
    list.split(',').map(str::trim).filter(|der| !der.is_empty()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accessed(url: &str, ca: &str, etcd: Option<&str>) -> Result<Access, ConfigError> {
        let etcd = EtcdArgs { etcd: etcd.map(str::to_owned), ..EtcdArgs::default() };
        let agent = AgentArgs {
            url: Some(url.to_owned()),
            ca: Some(ca.to_owned()),
            credentials_dir: "/credentials".into(),
            token_file: None,
        };
        access(&etcd, agent)
    }

    #[test]
    fn an_agent_takes_the_place_of_etcds_address() {
        let Ok(Access::Enrolled { agent, .. }) = accessed("https://agent:8443", "AA==,BB==", None)
        else {
            panic!("refused");
        };
        assert_eq!(agent.authorities.matches("BEGIN CERTIFICATE").count(), 2);
        assert_eq!(agent.token_file, Path::new(pod::TOKEN_DIR).join("token"));
        let direct = accessed("", "", Some("http://a:1")).unwrap();
        assert_eq!(direct.described(), "http://a:1");
    }

    #[test]
    fn flags_that_do_not_fit_together_give_one_sentence_that_says_what_to_write() {
        for (url, ca, etcd, expected) in [
            ("http://agent:8443", "A", None, "--agent 'http://agent:8443' is not an https:// URL"),
            ("https://agent", "A", None, "--agent 'https://agent' is not an https:// URL"),
            ("https://agent:8443", " ", None, "--agent needs --agent-ca; give the certificates"),
            (
                "https://agent:8443",
                "A",
                Some("http://a:1"),
                "--agent is given with --etcd; the agent",
            ),
        ] {
            let message = accessed(url, ca, etcd).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
