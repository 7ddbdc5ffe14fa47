//! The result annotations of a pod. There is a handful of them for each of ten thousand pods: in a sorted list, because
//! a sorted map has room for eleven at once.

/// Annotations in byte order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results(Box<[(Box<str>, Box<str>)]>);

// === impl Results ===

impl Results {
    /// The value of an annotation.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }
}

impl FromIterator<(String, String)> for Results {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(found: I) -> Self {
        let boxed = |(key, value): (String, String)| (key.into_boxed_str(), value.into_boxed_str());
        let mut all: Vec<_> = found.into_iter().map(boxed).collect();
        all.sort_unstable();
        Self(all.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_found_in_whatever_order_they_came() {
        let of = |keys: [&str; 3]| {
            keys.into_iter().map(|key| (key.to_owned(), key.to_uppercase())).collect::<Results>()
        };
        let results = of(["c", "a", "b"]);
        assert_eq!(results, of(["a", "b", "c"]));
        assert_eq!(results.get("b"), Some("B"));
        assert_eq!((results.get("ab"), Results::default().get("a")), (None, None));
        assert!(results.iter().map(|(key, _)| key).eq(["a", "b", "c"]));
    }
}
