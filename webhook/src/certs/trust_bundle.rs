//! What verifies this Service, in the two forms in which it is handed out.
//!
//! Both are made once for each change: admission puts one of them into every pod.

/// A bundle of authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustBundle {
    pem: String,
    argument: String,
}

// === impl TrustBundle ===

impl TrustBundle {
    /// In PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// As one argument of a container: base64 of each certificate, comma separated.
    pub fn argument(&self) -> &str {
        &self.argument
    }
}

/// From PEM.
impl From<&str> for TrustBundle {
    fn from(pem: &str) -> Self {
        let mut certificates = Vec::new();
        let mut current: Option<String> = None;
        for line in pem.lines().map(str::trim) {
            match line {
                "-----BEGIN CERTIFICATE-----" => current = Some(String::new()),
                "-----END CERTIFICATE-----" => certificates.extend(current.take()),
                _ => {
                    if let Some(text) = &mut current {
                        text.push_str(line);
                    }
                }
            }
        }
        Self { pem: pem.to_owned(), argument: certificates.join(",") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_becomes_one_argument() {
        let bundle = "-----BEGIN CERTIFICATE-----\nAAAA\nBB==\n-----END CERTIFICATE-----\n\
                      # note\n-----BEGIN CERTIFICATE-----\nCCCC\n-----END CERTIFICATE-----\n";
        assert_eq!(TrustBundle::from(bundle).argument(), "AAAABB==,CCCC");
        assert_eq!(TrustBundle::from("").argument(), "");
    }
}
