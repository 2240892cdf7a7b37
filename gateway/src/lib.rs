//! A local API Gateway with mutual TLS, for trying authorizers.
pub mod api;
pub mod certificate;
pub mod http;
pub mod mapping;
pub mod pki;
pub mod template;
pub mod tls;
pub mod trust;
