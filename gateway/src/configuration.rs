//! The configuration that the authorizer is given: the user's file and, where the gateway stands
//! for more than the file knows, tables of the gateway's own behind it.
//!
//! The file is read when a process of the authorizer starts, so a change takes effect here too. The
//! tables follow it, so its line numbers stay, and its paths stay relative to it
//! (`LAMBDA_TASK_ROOT`). A file that has one of the tables itself is left as it is.

use std::fs;
use std::path::{Path, PathBuf};

/// A configuration file, and what is added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The file.
    pub file: PathBuf,
    /// Tables in TOML; empty for none.
    pub tables: String,
}

impl Configuration {
    /// The environment that names it to the authorizer.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let named = |file: &Path| {
            vec![
                ("AUTHORIZER_CONFIG", file.display().to_string()),
                ("AUTHORIZER_CONFIG_TOML", String::new()),
            ]
        };
        if self.tables.is_empty() {
            return named(&self.file);
        }
        let document = fs::read_to_string(&self.file);
        match document {
            Ok(document) if own_table(&document, &self.tables).is_none() => {
                let directory = self.file.parent().unwrap_or(Path::new("."));
                vec![
                    ("AUTHORIZER_CONFIG", String::new()),
                    ("AUTHORIZER_CONFIG_TOML", format!("{document}\n\n{}", self.tables)),
                    ("LAMBDA_TASK_ROOT", directory.display().to_string()),
                ]
            }
            // A file that can't be read is for the authorizer to complain about.
            _ => named(&self.file),
        }
    }
}

/// The first of `tables` that a document has itself.
#[must_use]
pub fn own_table<'t>(document: &str, tables: &'t str) -> Option<&'t str> {
    let names = tables.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
    names.into_iter().find(|name| document.lines().any(|line| begins(line, name)))
}

/// Whether a line of TOML begins, or is of, the top-level table `name`.
fn begins(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let (inner, header) = match line.strip_prefix('[') {
        Some(inner) => (inner.trim_start(), true),
        None => (line, false),
    };
    inner.strip_prefix(name).is_some_and(|rest| {
        let next = rest.trim_start().chars().next();
        matches!((next, header), (Some('.'), _) | (Some(']'), true) | (Some('='), false))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_tables_are_seen_however_they_are_written() {
        let tables = "[trust]\nanchors = [\"a\"]\n[revocation]\ncheck = [\"crl\"]\n";
        for (document, own) in [
            ("[revocation]", Some("revocation")),
            ("[ trust ] # mine", Some("trust")),
            ("trust.anchors = [\"a\"]", Some("trust")),
            ("trust = { anchors = [\"a\"] }", Some("trust")),
            ("# [trust]\n[trustworthy]\n[[client]]\ntrust_me = 1", None),
        ] {
            assert_eq!(own_table(document, tables), own, "{document}");
        }
    }
}
