//! The inputs that a pod gives: its `cairn.dev/…` annotations by key. Unknown keys and labels are refused here.

use std::collections::BTreeMap;

use super::error::RequestError;
use crate::contract::annotation;

/// Annotations that only matter for claims.
const ABOUT_CLAIMS: [&str; 2] = [annotation::PREFIX_TEMPLATE, annotation::ENV];

/// The inputs of one pod.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    values: BTreeMap<&'static str, &'a str>,
    /// Whether the pod has the label that Cairn itself sets.
    injected: bool,
}

// === impl Given ===

impl<'a> Given<'a> {
    /// The inputs among a pod's annotations and labels.
    pub(super) fn collect(
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, RequestError> {
        let mut given = Self::default();
        for (key, value) in annotations {
            let ours = [annotation::STATUS, annotation::GENERATE_NAME].contains(&key);
            if !key.starts_with(annotation::PREFIX) || ours {
                continue;
            }
            let known = annotation::INPUTS.into_iter().find(|input| *input == key);
            let known = known.ok_or_else(|| RequestError::unknown("annotation", key))?;
            given.values.insert(known, value);
        }
        for (key, _) in labels {
            if key == annotation::INJECTED_LABEL {
                given.injected = true;
            } else if annotation::INPUTS.contains(&key) {
                return Err(RequestError::LabelNotAnnotation(key.to_owned()));
            } else if key.starts_with(annotation::PREFIX) {
                return Err(RequestError::unknown("label", key));
            }
        }
        Ok(given)
    }

    /// The value of an input.
    pub(super) fn value(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).copied()
    }

    /// The value of an input, parsed.
    pub(super) fn parsed<T, E>(
        &self,
        key: &str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        self.value(key).map(parse).transpose()
    }

    /// Whether the pod asks for something. Inputs that do nothing are refused.
    pub(super) fn asks(&self) -> Result<bool, RequestError> {
        let claims = self.values.contains_key(annotation::POOL);
        let coordinates = self.values.contains_key(annotation::COORDINATE);
        if coordinates && !claims {
            let idle = ABOUT_CLAIMS.into_iter().find(|key| self.values.contains_key(key));
            return idle.map_or(Ok(true), |key| Err(RequestError::NoPool(key)));
        }
        let first = annotation::INPUTS.into_iter().find(|key| self.values.contains_key(key));
        match first {
            _ if claims => Ok(true),
            Some(key) => Err(RequestError::Alone(key)),
            None if self.injected => Err(RequestError::InjectedByHand),
            None => Ok(false),
        }
    }
}
