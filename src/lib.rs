//! The mutual-TLS authorizer.
pub mod der;
pub mod environment;
pub mod source;
pub mod timestamp;
