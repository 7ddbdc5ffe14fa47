//! The flags of the apps' own probes.

use cairn_core::app_probe::AppProbes;

use super::ConfigError;
use crate::app_probes::Settings;

/// Parses the probes of every container.
pub(super) fn settings(
    probes: &[String],
    host: String,
    token: Option<String>,
) -> Result<Settings, ConfigError> {
    let mut read: Vec<AppProbes> = Vec::with_capacity(probes.len());
    for text in probes {
        let bad = |reason: String| ConfigError::AppProbes { text: text.clone(), reason };
        let probes: AppProbes = serde_json::from_str(text)
            .map_err(|error| bad(format!("is not the probes of a container: {error}")))?;
        // The name becomes part of a file name.
        if probes.container.is_empty() || probes.container.contains(['/', '\0']) {
            return Err(bad("has no container's name".to_owned()));
        }
        if read.iter().any(|other| other.container == probes.container) {
            return Err(bad(format!("is the second one for '{}'", probes.container)));
        }
        read.push(probes);
    }
    Ok(Settings { probes: read, host, token })
}
