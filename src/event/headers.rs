//! The headers of the request that an event tells of.
//!
//! REST and format 1.0 hold one value a name in `headers` and all of them in `multiValueHeaders`; format 2.0
//! joins them with commas in `headers`. Names come in any letter case. Where a header that is judged was sent
//! twice, or the two maps tell different stories, there is no single value to judge.

use std::collections::HashMap;

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
    single: HashMap<String, Option<String>>,
    multiple: HashMap<String, Option<Vec<String>>>,
}

impl HeaderFields {
    /// The value of the header `name`, whatever the letter case of either.
    #[must_use]
    pub fn header(&self, name: &str) -> Header {
        let single = self.single.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let single: Vec<&String> = single.filter_map(|(_, value)| value.as_ref()).collect();
        let multiple = self.multiple.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let multiple: Vec<&String> =
            multiple.flat_map(|(_, values)| values.iter().flatten()).collect();
        match (single.as_slice(), multiple.as_slice()) {
            ([], []) => Header::Absent,
            ([one], []) if self.multiple.is_empty() => Header::One((*one).clone()),
            ([one], [same]) if one == same => Header::One((*one).clone()),
            ([], [one]) => Header::One((*one).clone()),
            _ => Header::Repeated,
        }
    }
}

fn read<T: serde::de::DeserializeOwned + Default>(map: Option<&RawValue>) -> Result<T, EventFault> {
    map.map_or_else(|| Ok(T::default()), |map| serde_json::from_str(map.get()))
        .map_err(|_| EventFault::new("the headers are not a map of names to strings"))
}
