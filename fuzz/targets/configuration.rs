//! The text of a configuration.
#![no_main]

use std::{collections::BTreeMap, path::PathBuf};

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::{
    certificate::Certificate,
    policy::{Subject, configuration::Configuration, document::Document},
    source::Base,
};
use mtls_authorizer_fuzz::sample;

thread_local!(static SAMPLES: Vec<Certificate> = ["client.pem", "step.pem", "two-common-names.pem", "other-client.pem"]
    .iter()
    .map(|name| Certificate::parse(&sample(name)).expect("a certificate"))
    .collect());

fuzz_target!(|text: &str| {
    let environment = BTreeMap::new();
    let base = Base::Directory(PathBuf::from("/etc/authorizer"));
    let document =
        Document { name: "fuzzed", text, base: &base, environment: &environment };
    let read = Configuration::parse(document);
    let again = Configuration::parse(document);
    let messages = |read: &Result<Configuration, _>| match read {
        Ok(configuration) => format!("{:?}", configuration.warnings),
        Err(faults) => format!("{faults:?}"),
    };
    assert_eq!(messages(&read), messages(&again), "the same document twice");
    match &read {
        Err(faults) => assert!(!faults.0.is_empty(), "refused without a fault"),
        Ok(configuration) => SAMPLES.with(|samples| {
            for certificate in samples {
                let subject = Subject { certificate, issuer_public_key: None, claims: None };
                let by_index = configuration.policy.client_for(&subject).map(|client| &client.id);
                let one_by_one = configuration
                    .policy
                    .clients()
                    .iter()
                    .find(|client| client.matches(&subject))
                    .map(|client| &client.id);
                assert_eq!(by_index, one_by_one, "the index narrows the search, no more");
            }
        }),
    }
});
