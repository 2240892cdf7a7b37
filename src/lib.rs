//! The mutual-TLS authorizer.
pub mod der;
pub mod revocation;
pub mod timestamp;
