//! The environment behind a small trait: nothing in this crate reads `std::env` but `main`, so no test has to
//! set a variable.

use std::collections::{BTreeMap, HashMap};

/// Environment variables by name. An empty variable counts as unset, everywhere.
pub trait Environment {
    /// The value of the variable `name`, where it is set and not empty.
    fn variable(&self, name: &str) -> Option<String>;
}

impl<E: Environment + ?Sized> Environment for &E {
    fn variable(&self, name: &str) -> Option<String> {
        (**self).variable(name)
    }
}

/// Variables given as a list, as tests do.
impl Environment for BTreeMap<String, String> {
    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

/// Variables given as a list, as tests do.
impl Environment for HashMap<&str, &str> {
    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).map(ToString::to_string)
    }
}
