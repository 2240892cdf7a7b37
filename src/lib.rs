//! The mutual-TLS authorizer.
pub mod der;
pub mod timestamp;
