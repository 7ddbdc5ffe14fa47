//! JSON objects only: a struct is also read from a JSON list of its fields, below which no patch applies.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A struct that was an object.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        from.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// For a field that is one.
pub(super) fn one<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Object::deserialize(from).map(|Object(value)| value)
}

/// For a list of them, which may be null.
pub(super) fn list<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let list: Vec<Object<T>> = Option::deserialize(from)?.unwrap_or_default();
    Ok(list.into_iter().map(|Object(value)| value).collect())
}

#[cfg(test)]
mod tests {
    use super::super::Pod;

    #[test]
    fn a_list_of_fields_is_not_an_object() {
        let read = |json: &str| serde_json::from_str::<Pod<'_>>(json).is_ok();
        assert!(read(r#"{"metadata": {}, "spec": {"containers": [{"name": "a"}]}}"#));
        assert!(read(r#"{"spec": {"containers": null}}"#));
        assert!(!read(r#"{"metadata": ["a"], "spec": {"containers": []}}"#));
        assert!(!read(r#"{"spec": [[], []]}"#));
        assert!(!read(r#"{"spec": {"containers": [["a"]]}}"#));
    }
}
