//! Where the configuration is: named on the command line, in the environment, or in one of the usual places.
//!
//! What is named must be there: a document that is missing is a fault, never a reason to look elsewhere.

use std::path::{Path, PathBuf};

use crate::{
    environment::Environment,
    source::{Base, Rules, Source, reference::Use},
};

use super::fault::{Faults, Finding};

/// The variable that holds a whole document.
pub const INLINE_VARIABLE: &str = "AUTHORIZER_CONFIG_TOML";
/// The variable that names the source of a document.
pub const SOURCE_VARIABLE: &str = "AUTHORIZER_CONFIG";
/// The name of a document in the usual places.
pub const FILE_NAME: &str = "authorizer.toml";

/// Where the document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentLocation {
    /// It was given as it is.
    Inline {
        /// The document.
        text: String,
        /// What paths in it are relative to.
        base: Base,
    },
    /// It is to be read.
    Source(Source),
}

impl DocumentLocation {
    /// What the document is called in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Inline { .. } => INLINE_VARIABLE.to_owned(),
            Self::Source(source) => source.to_string(),
        }
    }

    /// What paths in the document are relative to.
    #[must_use]
    pub fn base(&self) -> Base {
        match self {
            Self::Inline { base, .. } => base.clone(),
            Self::Source(source) => source.beside(),
        }
    }
}

/// Whether this is inside Lambda.
#[must_use]
pub fn in_lambda(environment: &dyn Environment) -> bool {
    environment.variable("AWS_LAMBDA_RUNTIME_API").is_some()
}

/// Finds the document: `--config`; the two variables; then `authorizer.toml` in `$LAMBDA_TASK_ROOT`, in `/opt`,
/// and in the working directory.
///
/// # Errors
/// Both variables set, a variable that names no source, a named file that does not exist, or nothing found.
pub fn locate(
    config: Option<&Path>,
    environment: &dyn Environment,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<DocumentLocation, Faults> {
    let task_root = environment.variable("LAMBDA_TASK_ROOT").map(PathBuf::from);
    let base = Base::Directory(task_root.clone().unwrap_or_default());
    if let Some(path) = config {
        return named_file(path.to_path_buf(), "--config", exists);
    }
    match (environment.variable(INLINE_VARIABLE), environment.variable(SOURCE_VARIABLE)) {
        (Some(_), Some(_)) => Err(fault(
            SOURCE_VARIABLE,
            format!("{INLINE_VARIABLE} is set too; there is one configuration"),
        )),
        (Some(text), None) => Ok(DocumentLocation::Inline { text, base }),
        (None, Some(text)) => {
            let in_lambda = in_lambda(environment);
            let rules = Rules { used_as: Use::Document, base: &base, in_lambda };
            match Source::parse(&text, rules) {
                Ok(Source::File(path)) => named_file(path, SOURCE_VARIABLE, exists),
                Ok(source) => Ok(DocumentLocation::Source(source)),
                Err(error) => Err(fault(SOURCE_VARIABLE, error.to_string())),
            }
        }
        (None, None) => {
            let places = usual_places(task_root);
            let found = places.iter().find(|place| exists(place)).cloned();
            found.map(|path| DocumentLocation::Source(Source::File(path))).ok_or_else(|| {
                let tried: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
                fault(
                    "",
                    format!(
                        "none found: neither --config nor {INLINE_VARIABLE} nor {SOURCE_VARIABLE} is given, and there is no `{}`",
                        tried.join("`, no `")
                    ),
                )
            })
        }
    }
}

fn usual_places(task_root: Option<PathBuf>) -> Vec<PathBuf> {
    let in_task_root = task_root.map(|root| root.join(FILE_NAME));
    let mut places: Vec<_> = in_task_root.into_iter().collect();
    places.push(Path::new("/opt").join(FILE_NAME));
    places.push(PathBuf::from(FILE_NAME));
    places
}

fn named_file(
    path: PathBuf,
    named_by: &str,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<DocumentLocation, Faults> {
    if exists(&path) {
        return Ok(DocumentLocation::Source(Source::File(path)));
    }
    Err(fault(named_by, format!("there is no file `{}`", path.display())))
}

fn fault(path: &str, rule: String) -> Faults {
    let path = path.to_owned();
    Faults(vec![Finding { document: "configuration".into(), position: None, path, rule }])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::source::{NETWORK, SourceFault};

    fn found(
        config: Option<&str>,
        environment: &[(&str, &str)],
        files: &[&str],
    ) -> Result<String, String> {
        let environment: HashMap<&str, &str> = environment.iter().copied().collect();
        let exists = |path: &Path| files.iter().any(|file| Path::new(file) == path);
        locate(config.map(Path::new), &environment, &exists)
            .map(|location| format!("{} {:?}", location.name(), location.base()))
            .map_err(|faults| faults.to_string())
    }

    const EVERYWHERE: [&str; 4] =
        ["c.toml", "/var/task/authorizer.toml", "/opt/authorizer.toml", "authorizer.toml"];
    const TASK_ROOT: (&str, &str) = ("LAMBDA_TASK_ROOT", "/var/task");

    #[test]
    fn the_places_are_tried_in_order() {
        let everything = [TASK_ROOT, ("AUTHORIZER_CONFIG", "prod/a.toml")];
        let everywhere = [&["/var/task/prod/a.toml"], &EVERYWHERE[..]].concat();
        assert_eq!(
            found(Some("c.toml"), &everything, &EVERYWHERE).unwrap(),
            "c.toml Directory(\"\")"
        );
        assert_eq!(
            found(None, &everything, &everywhere).unwrap(),
            "/var/task/prod/a.toml Directory(\"/var/task/prod\")"
        );
        assert_eq!(
            found(None, &[TASK_ROOT, ("AUTHORIZER_CONFIG_TOML", "x")], &EVERYWHERE).unwrap(),
            "AUTHORIZER_CONFIG_TOML Directory(\"/var/task\")"
        );
        assert_eq!(
            found(None, &[TASK_ROOT], &EVERYWHERE).unwrap(),
            "/var/task/authorizer.toml Directory(\"/var/task\")"
        );
        assert_eq!(
            found(None, &[], &EVERYWHERE).unwrap(),
            "/opt/authorizer.toml Directory(\"/opt\")"
        );
        assert_eq!(
            found(None, &[], &["authorizer.toml"]).unwrap(),
            "authorizer.toml Directory(\"\")"
        );
        // Empty is unset.
        let empty = [("AUTHORIZER_CONFIG", ""), ("AUTHORIZER_CONFIG_TOML", "")];
        assert!(found(None, &empty, &["authorizer.toml"]).is_ok());
    }

    #[test]
    fn a_document_in_s3_is_one_where_there_is_a_network() {
        let located = found(None, &[("AUTHORIZER_CONFIG", "s3://pki/prod/a.toml")], &[]);
        if NETWORK {
            let name_and_base = "s3://pki/prod/a.toml S3 { bucket: \"pki\", prefix: \"prod/\" }";
            assert_eq!(located.unwrap(), name_and_base);
        } else {
            let offline = SourceFault::Offline;
            assert_eq!(
                located.unwrap_err(),
                format!(
                    "configuration: AUTHORIZER_CONFIG: `s3://pki/prod/a.toml` is no source here: {offline}"
                )
            );
        }
    }

    #[test]
    fn what_is_named_must_be_there() {
        assert_eq!(
            found(Some("d.toml"), &[], &EVERYWHERE).unwrap_err(),
            "configuration: --config: there is no file `d.toml`"
        );
        assert_eq!(
            found(None, &[TASK_ROOT, ("AUTHORIZER_CONFIG", "d.toml")], &EVERYWHERE).unwrap_err(),
            "configuration: AUTHORIZER_CONFIG: there is no file `/var/task/d.toml`"
        );
        let both = [("AUTHORIZER_CONFIG", "c.toml"), ("AUTHORIZER_CONFIG_TOML", "x")];
        assert_eq!(
            found(None, &both, &EVERYWHERE).unwrap_err(),
            "configuration: AUTHORIZER_CONFIG: AUTHORIZER_CONFIG_TOML is set too; there is one configuration"
        );
        assert!(found(None, &[("AUTHORIZER_CONFIG", "http://a.example/c")], &[]).is_err());
        assert_eq!(
            found(None, &[], &[]).unwrap_err(),
            "configuration: none found: neither --config nor AUTHORIZER_CONFIG_TOML nor AUTHORIZER_CONFIG is given, and there is no `/opt/authorizer.toml`, no `authorizer.toml`"
        );
    }
}
