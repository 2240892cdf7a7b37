//! A public key infrastructure for tests: certificates, revocation lists and OCSP answers, composed field by
//! field and truly signed.
//!
//! Every structure is a struct of DER values with public fields, and a constructor that fills them in as a
//! sound CA would. A test replaces the one field that it is about:
//!
//! ```ignore
//! use support::pki::*;
//!
//! let root = Authority::root("Acme Root CA");
//! let issuing = root.intermediate("Acme Issuing CA");
//! let key = Key::ed25519("orders");
//!
//! let leaf = issuing.issue(Certificate::leaf("orders", &key));                 // Vec<u8>, DER
//! let expired = issuing.issue(Certificate {
//!     not_after: time(NOW - 1),
//!     ..Certificate::leaf("orders", &key)
//! });
//! let two_names = issuing.issue(Certificate {
//!     subject: name(&[("O", "Acme"), ("CN", "orders"), ("CN", "admin")]),      // certificate order
//!     ..Certificate::leaf("orders", &key)
//! });
//! let listed = issuing.revoke(Crl::of(vec![revoked(&[0x01])]));                 // CertificateList, DER
//! let answer = issuing.answer(OcspResponse::of(vec![SingleResponse::good(&issuing, &[0x01])]));
//! let text = pem("CERTIFICATE", &leaf);
//! ```
//!
//! - **Time.** [`NOW`] is the tests' present, in seconds since 1970; what constructors make is valid from a
//!   [`YEAR`] before it to a year after it (leaves and CAs), or an [`HOUR`] (lists and answers).
//! - **Keys.** [`Key::ed25519`] is derived from a name: the same on every run, and cheap. [`Key::p256`] and
//!   [`Key::p384`] are new at every call. [`Key::rsa_1024`] and [`Key::rsa_2048`] are always the same two keys, and
//!   sign with the digest and padding that [`Key::with_scheme`] sets. [`Key::unsigned`] has a public key that is
//!   any bytes, and signs with zeros.
//! - **Names** are given in certificate order, the most significant RDN first: the reverse of RFC 4514.
//! - **Serial numbers** of `&[u8]` are the contents octets of the INTEGER, exactly as given.
//! - **Key identifiers** are in CA certificates; an authority key identifier is there where a test adds
//!   `.with(authority_key_id(&issuing.key.id()))`.
//! - **Malformed structures** come from replacing a field with bytes of one's own ([`tlv`], [`raw_length`]), or
//!   from cutting and patching the finished DER.
//!
//! It depends on `ring` and on nothing of this package, so that benches and unit tests can use it too:
//! `#[cfg(test)] #[path = "../tests/support/pki/mod.rs"] mod pki;`, the path as seen from that file.

#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod certificate;
mod crl;
mod der;
mod extension;
mod key;
mod name;
mod ocsp;
mod rsa;

pub use certificate::{Authority, Certificate};
pub use crl::{Crl, IssuingDistributionPoint, revoked, revoked_with};
pub use der::*;
pub use extension::*;
pub use key::{Hash, Key, Scheme, spki};
pub use name::*;
pub use ocsp::{
    CertId, OcspResponse, SingleResponse, ocsp_error, responder_by_key, responder_by_name,
};
