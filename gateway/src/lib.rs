//! A local API Gateway with mutual TLS, for trying authorizers.
//!
//! `cargo gateway` does on one machine what happens between a client and a backend in AWS: a TLS
//! handshake with a client certificate ([`tls`], [`trust`]), the route and the settings of the
//! template that will be deployed ([`template`], [`api`]), the authorizer's event ([`event`]), the
//! authorizer as a child process behind the Lambda Runtime API ([`authorizer`]), its answer applied
//! ([`answer`], [`iam`], [`cache`]), identity headers by the template's mappings ([`mapping`]), and
//! a backend ([`backend`]). [`gateway`] is that way in one file, [`server`] what is around it.
//!
//! Where the template has a load balancer with mutual TLS before a private API, [`balancer`] stands
//! before it here too. And since API Gateway does not look at revocation, the throwaway PKI of
//! [`pki`] has a CA that can revoke ([`revocation`], [`ocsp`]), so that it shows what the authorizer
//! does about it.
//!
//! # What is emulated, and what is not
//!
//! Where API Gateway's behaviour is documented or has been seen, it is this. Where nobody could
//! confirm it, the gateway takes the reading that is worst for the user, and says so where it does:
//!
//! - A REST mapping for `X-Client-Cert-Sub` replaces a client's header of exactly that name. One in
//!   another letter case, `x-client-cert-sub`, reaches the backend beside it. A backend must refuse
//!   a request with both, or verify the signed `X-Client-Identity`. `--header-case insensitive`
//!   shows the other reading. Names with `_` for `-` are other names to the gateway; a backend that
//!   takes them for the same must drop them.
//! - A mapping from a context key that the authorizer did not send leaves the client's own header.
//! - Identity sources are the cache's key and nothing else is: a key without the certificate hands
//!   one client's answer to another, here as there.
//!
//! - Whether a load balancer strips headers of its own names that a client sent: here it does not.
//!
//! Not here: HTTP/2, WebSockets, integrations other than `http_proxy`, request validation, usage
//! plans and throttling, WAF. A template that needs one of them is refused with its line, or, where
//! it is a limit that is merely not enforced, that is said at the start.
//!
//! The gateway is a development tool. It listens on 127.0.0.1, and its throwaway keys protect
//! nothing.

pub mod answer;
pub mod api;
pub mod arguments;
pub mod authorizer;
pub mod backend;
pub mod balancer;
pub mod build;
pub mod cache;
pub mod certificate;
pub mod clock;
pub mod configuration;
pub mod event;
pub mod function;
pub mod gateway;
pub mod http;
pub mod iam;
pub mod identity;
pub mod mapping;
pub mod ocsp;
pub mod pki;
pub mod revocation;
pub mod server;
pub mod template;
pub mod tls;
pub mod trust;
