//! The headers of the request that an event tells of.
//!
//! REST and format 1.0 hold one value a name in `headers` and all of them in `multiValueHeaders`; format 2.0
//! joins them with commas in `headers`. Names come in any letter case. Where a header that is judged was sent
//! twice, or the two maps tell different stories, there is no single value to judge.

use std::{fmt, marker::PhantomData};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::EventFault;

/// The headers of a request, unread until asked for.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    single: Option<&'a RawValue>,
    multiple: Option<&'a RawValue>,
}

/// What was sent under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// Nothing.
    Absent,
    /// One value. In format 2.0 it may be several, joined by commas.
    One(String),
    /// Several values, or maps that contradict each other.
    Repeated,
}

impl<'a> Headers<'a> {
    pub(super) fn new(single: Option<&'a RawValue>, multiple: Option<&'a RawValue>) -> Self {
        Self { single, multiple }
    }

    /// Reads both maps.
    ///
    /// # Errors
    /// Maps that are not of names to strings, or of names to lists of strings.
    pub fn read(&self) -> Result<HeaderFields, EventFault> {
        Ok(HeaderFields { single: read(self.single)?, multiple: read(self.multiple)? })
    }
}

/// The headers of a request.
#[derive(Clone, Debug, Default)]
pub struct HeaderFields {
    single: Entries<Option<String>>,
    multiple: Entries<Option<Vec<String>>>,
}

impl HeaderFields {
    /// The value of the header `name`, whatever the letter case of either.
    #[must_use]
    pub fn header(&self, name: &str) -> Header {
        let single = self.single.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let single: Vec<&String> = single.filter_map(|(_, value)| value.as_ref()).collect();
        let multiple = self.multiple.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let multiple: Vec<&String> =
            multiple.flat_map(|(_, values)| values.iter().flatten()).collect();
        match (single.as_slice(), multiple.as_slice()) {
            ([], []) => Header::Absent,
            ([one], []) if self.multiple.0.is_empty() => Header::One((*one).clone()),
            ([one], [same]) if one == same => Header::One((*one).clone()),
            ([], [one]) => Header::One((*one).clone()),
            _ => Header::Repeated,
        }
    }
}

/// The entries of a JSON object in their order, a name that stands there twice included.
#[derive(Clone, Debug)]
struct Entries<V>(Vec<(String, V)>);

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

fn read<T: serde::de::DeserializeOwned + Default>(map: Option<&RawValue>) -> Result<T, EventFault> {
    map.map_or_else(|| Ok(T::default()), |map| serde_json::from_str(map.get()))
        .map_err(|_| EventFault::new("the headers are not a map of names to strings"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn header(single: &str, multiple: &str) -> Header {
        let raw = |json: &str| serde_json::from_str::<Box<RawValue>>(json).unwrap();
        let (single, multiple) = (raw(single), raw(multiple));
        Headers::new(Some(&single), Some(&multiple)).read().unwrap().header("X-Leaf")
    }

    #[test]
    fn one_value_in_any_letter_case_is_one_value() {
        let one = Header::One("a".into());
        assert_eq!(header(r#"{"x-leaf":"a"}"#, "{}"), one);
        assert_eq!(header(r#"{"X-LEAF":"a"}"#, r#"{"X-LEAF":["a"]}"#), one);
        assert_eq!(header("{}", r#"{"X-Leaf":["a"]}"#), one);
        assert_eq!(header(r#"{"X-Leaf":null}"#, r#"{"Other":["b"]}"#), Header::Absent);
    }

    #[test]
    fn two_values_or_two_stories_are_none() {
        for (single, multiple) in [
            (r#"{"X-Leaf":"a","x-leaf":"a"}"#, "{}"),
            (r#"{"X-Leaf":"a","X-Leaf":"b"}"#, "{}"),
            (r#"{"X-Leaf":"a"}"#, r#"{"X-Leaf":["a","b"]}"#),
            (r#"{"X-Leaf":"a"}"#, r#"{"X-Leaf":["b"]}"#),
            (r#"{"X-Leaf":"a"}"#, r#"{"X-Leaf":["a"],"X-Leaf":["b"]}"#),
            (r#"{"X-Leaf":"a"}"#, r#"{"Other":["a"]}"#),
            ("{}", r#"{"X-Leaf":["a"],"x-leaf":["a"]}"#),
        ] {
            assert_eq!(header(single, multiple), Header::Repeated, "{single} {multiple}");
        }
    }
}
