//! The OpenSSL command line, to compare with.

use std::{io::ErrorKind, process::Command};

/// What `openssl` with these arguments prints, standard error included; `None`, said loudly, where it is missing.
pub fn openssl(test: &str, arguments: &[&str]) -> Option<String> {
    let (_, text) = openssl_status(test, arguments)?;
    Some(text)
}

/// Whether `openssl` with these arguments succeeded, and what it printed.
pub fn openssl_status(test: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let output = match Command::new("openssl").args(arguments).env("TZ", "UTC").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            super::skip(test, "openssl");
            return None;
        }
        output => output.unwrap(),
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}
