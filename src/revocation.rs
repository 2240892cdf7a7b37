//! Whether a certificate has been revoked by its issuer. Pure: bytes and instants in, verdicts out.

pub mod crl;
pub mod ocsp;
