//! Both authorities, and their form in the Secret.

use std::collections::BTreeMap;

use cairn_core::time::UnixMillis;
use k8s_openapi::ByteString;
use thiserror::Error;

use super::authority::{Authority, Flaw, Side};
use super::issuer::{IssueError, Issuer};
use super::lives::Lives;

/// The entries of the Secret.
pub type Data = BTreeMap<String, ByteString>;

/// The authorities of the bundled etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// Signs clients.
    pub clients: Authority,
    /// Signs members.
    pub members: Authority,
}

/// What the webhook needs of them, whoever keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdCa {
    /// PEM roots that verify members.
    pub servers: String,
    /// Signs clients.
    pub issuer: Issuer,
}

/// Why the entries cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}-root.crt and {}-root.key: {flaw}", .side.name(), .side.name())]
pub struct Flawed {
    side: Side,
    flaw: Flaw,
}

// === impl Authorities ===

impl Authorities {
    /// New ones.
    pub fn new(lives: &Lives, now: UnixMillis) -> Result<Self, IssueError> {
        Ok(Self {
            clients: Authority::new(Side::Clients, lives, now)?,
            members: Authority::new(Side::Members, lives, now)?,
        })
    }

    /// Whether an issuer must be replaced.
    pub fn is_due(&self, lives: &Lives, now: UnixMillis) -> bool {
        self.clients.is_due(lives, now) || self.members.is_due(lives, now)
    }

    /// With new issuers where they are due.
    pub fn renewed(&self, lives: &Lives, now: UnixMillis) -> Result<Self, IssueError> {
        let renew = |authority: &Authority, side| {
            if authority.is_due(lives, now) {
                authority.renewed(side, lives, now)
            } else {
                Ok(authority.clone())
            }
        };
        Ok(Self {
            clients: renew(&self.clients, Side::Clients)?,
            members: renew(&self.members, Side::Members)?,
        })
    }

    /// Whether these are the same roots: then everything that trusts one trusts the other.
    pub fn same_roots(&self, other: &Self) -> bool {
        self.clients.root.chain == other.clients.root.chain
            && self.members.root.chain == other.members.root.chain
    }

    /// Reads the entries. An issuer that cannot be used is no flaw: it is due.
    pub fn read(data: &Data) -> Result<Self, Flawed> {
        let read = |side: Side| {
            let text = |part: &str| {
                let entry = data.get(&entry(side, part));
                entry.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).unwrap_or_default()
            };
            let pair = |part| Issuer {
                chain: text(&format!("{part}.crt")),
                key: text(&format!("{part}.key")),
            };
            let read = Authority::from_parts(pair("root"), pair("issuer"));
            read.map_err(|flaw| Flawed { side, flaw })
        };
        Ok(Self { clients: read(Side::Clients)?, members: read(Side::Members)? })
    }

    /// The entries.
    pub fn data(&self) -> Data {
        let mut data = Data::new();
        for (side, authority) in [(Side::Clients, &self.clients), (Side::Members, &self.members)] {
            for (part, pair) in [("root", &authority.root), ("issuer", &authority.issuer)] {
                let mut put = |part: &str, text: &str| {
                    data.insert(entry(side, part), ByteString(text.as_bytes().to_vec()));
                };
                put(&format!("{part}.crt"), &pair.chain);
                put(&format!("{part}.key"), &pair.key);
            }
        }
        data
    }
}

impl From<&Authorities> for EtcdCa {
    fn from(authorities: &Authorities) -> Self {
        Self {
            servers: authorities.members.root.chain.clone(),
            issuer: authorities.clients.issuer.clone(),
        }
    }
}

fn entry(side: Side, part: &str) -> String {
    format!("{}-{part}", side.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    #[test]
    fn a_secret_is_read_back_as_it_was_written() {
        let ours = Authorities::new(&Lives::default(), NOW).unwrap();
        let data = ours.data();
        assert_eq!(data.len(), 8);
        assert_eq!(Authorities::read(&data), Ok(ours));
    }

    #[test]
    fn a_half_written_secret_says_which_entries_are_wrong() {
        let ours = Authorities::new(&Lives::default(), NOW).unwrap();
        let mut data = ours.data();
        data.insert("members-root.key".to_owned(), ByteString(b"-----BEGIN".to_vec()));
        let message = Authorities::read(&data).unwrap_err().to_string();
        assert!(
            message.starts_with("members-root.crt and members-root.key: the key is not readable")
        );
        assert!(Authorities::read(&Data::new()).is_err());
        let mut data = ours.data();
        data.remove("clients-issuer.crt");
        let mended = Authorities::read(&data).unwrap();
        assert!(mended.is_due(&Lives::default(), NOW));
        let mended = mended.renewed(&Lives::default(), NOW).unwrap();
        assert!(mended.same_roots(&ours));
        assert_eq!(mended.members, ours.members, "what is well stays as it is");
        assert!(!mended.is_due(&Lives::default(), NOW));
    }

    #[test]
    fn neither_log_lines_nor_the_webhook_show_keys_of_roots() {
        let ours = Authorities::new(&Lives::default(), NOW).unwrap();
        let shown = format!("{ours:?} {:?}", EtcdCa::from(&ours));
        assert!(!shown.contains("PRIVATE"), "{shown}");
        assert!(shown.contains("BEGIN CERTIFICATE"));
    }
}
