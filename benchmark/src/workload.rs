//! What the contenders are asked: an event, a policy, and the answer that is right.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::pki::{self, Leaf};

/// The sample event that the project's walk-through uses.
const EVENT: &str = include_str!("../../events/rest-allow.json");
/// A certificate of the same CA that no policy here names.
const STRANGER: &str = include_str!("../../events/rest-other-client.json");

const PEM: &str = "/requestContext/identity/clientCert/clientCertPem";
const ALLOW: [&str; 3] = ["GET /orders", "GET /orders/*", "POST /orders"];

/// What a right answer to the event holds.
pub(crate) struct Expected {
    pub(crate) client: String,
    pub(crate) subject: String,
    pub(crate) fingerprint: String,
    pub(crate) resource: String,
    pub(crate) stranger: Vec<u8>,
}

/// An event with the configuration that allows it.
pub(crate) struct Workload {
    /// The authorizer's configuration.
    pub(crate) config: PathBuf,
    /// The same clients for the contenders that read JSON.
    pub(crate) policy: PathBuf,
    pub(crate) event: Arc<[u8]>,
    pub(crate) expected: Arc<Expected>,
}

/// The sample event and a policy of `count` clients by their whole names, the one that matches
/// being the last.
pub(crate) fn clients(directory: &Path, count: usize) -> Result<Workload, String> {
    let event: Value = serde_json::from_str(EVENT).map_err(|error| error.to_string())?;
    let pem = event.pointer(PEM).and_then(Value::as_str).ok_or("the sample event has no PEM")?;
    let der = pem::parse(pem).map_err(|error| error.to_string())?.into_contents();
    let leaf = Leaf { pem: pem.to_owned(), der, subject: "CN=orders,O=Acme,C=US".to_owned() };
    let mut toml = String::new();
    let mut list = Vec::new();
    for number in 1..count {
        let id = format!("client-{number:05}");
        let subject = format!("CN=service-{number:05},O=Acme,C=US");
        client(&mut toml, &id, &format!("subject_dn = \"{subject}\""));
        list.push(json!({ "id": id, "subject_dn": subject, "allow": ALLOW }));
    }
    client(&mut toml, "orders-service", &format!("subject_dn = \"{}\"", leaf.subject));
    list.push(json!({ "id": "orders-service", "subject_dn": leaf.subject, "allow": ALLOW }));
    let workload = with_leaf(directory, &leaf, &toml, EVENT.as_bytes().into())?;
    write(&workload.policy, json!({ "clients": list }).to_string().as_bytes())?;
    Ok(workload)
}

/// The sample event with another leaf, and a policy of 100 clients by `condition`, which is given
/// the number of a client or, for the one that is to match, none.
pub(crate) fn with_certificate(
    directory: &Path,
    leaf: &Leaf,
    sections: &str,
    condition: impl Fn(Option<usize>) -> String,
) -> Result<Workload, String> {
    let mut toml = sections.to_owned();
    for number in 1..100 {
        client(&mut toml, &format!("client-{number:05}"), &condition(Some(number)));
    }
    client(&mut toml, "orders-service", &condition(None));
    let mut event: Value = serde_json::from_str(EVENT).map_err(|error| error.to_string())?;
    let pem = event.pointer_mut(PEM).ok_or("the sample event has no PEM")?;
    *pem = Value::String(leaf.pem.clone());
    with_leaf(directory, leaf, &toml, event.to_string().into_bytes().into())
}

/// The condition that most curves use: the whole name.
pub(crate) fn by_name(leaf: &Leaf) -> impl Fn(Option<usize>) -> String {
    let subject = leaf.subject.clone();
    move |number| match number {
        Some(number) => format!("subject_dn = \"CN=service-{number:05},O=Acme,C=US\""),
        None => format!("subject_dn = \"{subject}\""),
    }
}

fn with_leaf(
    directory: &Path,
    leaf: &Leaf,
    toml: &str,
    event: Arc<[u8]>,
) -> Result<Workload, String> {
    fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    let config = directory.join("authorizer.toml");
    write(&config, toml.as_bytes())?;
    let expected = Expected {
        client: "orders-service".to_owned(),
        subject: leaf.subject.clone(),
        fingerprint: pki::fingerprint(&leaf.der),
        resource: "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/orders/*"
            .to_owned(),
        stranger: STRANGER.as_bytes().to_vec(),
    };
    Ok(Workload { config, policy: directory.join("policy.json"), event, expected: expected.into() })
}

fn client(toml: &mut String, id: &str, condition: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(toml, "[[client]]\nid = \"{id}\"\n{condition}\nallow = {ALLOW:?}\n");
}

/// Writes a file, and names it where that fails.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<(), String> {
    fs::write(path, contents).map_err(|error| format!("{}: {error}", path.display()))
}
