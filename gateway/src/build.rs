//! Building the authorizer, and where things are.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The directory of the workspace: the parent of this package's.
#[must_use]
pub fn workspace() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or_else(|| package.clone(), Path::to_owned)
}

/// Where build products go.
#[must_use]
pub fn target(workspace: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}

/// Builds the authorizer, showing cargo's progress, and tells where it is.
///
/// It is built by itself, so that features of the gateway's dependencies do not reach it.
///
/// # Errors
/// One line, where it can't be built.
pub fn authorizer(workspace: &Path, profile: &str) -> Result<PathBuf, String> {
    const PACKAGE: &str = "mtls-authorizer";
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let failed = |what: &str| format!("the authorizer can't be built: {what}");
    let mut command = Command::new(cargo);
    // What `cargo run` and `cargo test` say about this package is not about that one. ring's build
    // script looks at it, and would compile everything anew at every start.
    for (name, _) in env::vars_os() {
        let of_a_package = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if of_a_package.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            command.env_remove(name);
        }
    }
    let mut child = command
        .current_dir(workspace)
        .args(["build", "--profile", profile, "--package", PACKAGE, "--bin", PACKAGE])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&format!("cargo does not start: {error}")))?;
    let mut program = None;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            let is_program =
                message.pointer("/target/name").and_then(Value::as_str) == Some(PACKAGE);
            if let (true, Some(path)) =
                (is_program, message.get("executable").and_then(Value::as_str))
            {
                program = Some(PathBuf::from(path));
            }
        }
    }
    let status = child.wait().map_err(|error| failed(&error.to_string()))?;
    if !status.success() {
        return Err(failed("see above"));
    }
    program.ok_or_else(|| failed("cargo names no program"))
}
