//! What is wrong with a kubeconfig, in words.

use std::error::Error;
use std::io;
use std::path::Path;

use cairn_kit::errors::report;
use kube::config::{KubeconfigError, LoadDataError};

/// The library's words, apart from paths, which it quotes twice.
pub fn words(error: &(dyn Error + 'static)) -> String {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some((error, path)) = cause.downcast_ref().and_then(unreadable) {
            return format!("cannot read {}: {error}", path.display());
        }
        next = cause.source();
    }
    report(error)
}

/// The file that cannot be read, if it is that.
fn unreadable(error: &KubeconfigError) -> Option<(&io::Error, &Path)> {
    use KubeconfigError as Wrong;
    match error {
        Wrong::ReadConfig(error, path)
        | Wrong::LoadCertificateAuthority(LoadDataError::ReadFile(error, path))
        | Wrong::LoadClientCertificate(LoadDataError::ReadFile(error, path))
        | Wrong::LoadClientKey(LoadDataError::ReadFile(error, path)) => Some((error, path)),
        _ => None,
    }
}
