//! An OCSP response: nothing that the authority did not sign counts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::{
    certificate::Certificate,
    revocation::ocsp::{Answer, Question, Verdict, responders},
    signature::Strength,
};
use mtls_authorizer_fuzz::{NOW, sample};

thread_local! {
    static CLIENT: Certificate =
        Certificate::parse(&sample("client.pem")).expect("a certificate");
    static ISSUER: Certificate =
        Certificate::parse(&sample("issuing.pem")).expect("a certificate");
}

fuzz_target!(|response: &[u8]| {
    let _ = responders(response);
    let strength = Strength { min_rsa_bits: 1024, allow_sha1: true };
    CLIENT.with(|client| {
        ISSUER.with(|issuer| {
            let question = Question::new(client, issuer);
            // No seed is signed by this authority, so no answer is genuine.
            if let Ok(answer) = Answer::verify(response, question, strength) {
                let verdict = answer.verdict(0, NOW);
                assert!(!matches!(verdict, Verdict::NotRevoked(_)), "an answer of nobody's");
                panic!("a signature of nobody's");
            }
        });
    });
});
