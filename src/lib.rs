//! The mutual-TLS authorizer.
pub mod certificate;
pub mod decision;
pub mod deny_list;
pub mod der;
pub mod environment;
pub mod event;
pub mod revocation;
pub mod signature;
pub mod source;
pub mod timestamp;
pub mod trust;
