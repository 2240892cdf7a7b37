//! The mutual-TLS authorizer for API Gateway: **event → certificate → decide → answer**.
//!
//! * [`event`] makes a [`Request`](event::Request) of a payload, and finds where it presents the certificate.
//! * [`certificate`] reads it, strictly: DER of exactly one certificate, or nothing.
//! * [`decide`] judges, in a fixed order, as a chain of witnesses that ends in a grant or a [`decision::Denial`]. It
//!   is pure: [`policy`], [`trust`], [`revocation`] and [`token`] give it what it needs as values.
//! * [`answer`] writes what API Gateway expects.
//!
//! [`authorizer`] is the shell around that: it loads a configuration and keeps its sources fresh between the steps.
//! [`source`] alone reads what a configuration names, from files and the network. [`lambda`] and [`cli`] serve the two ways
//! in. The rooms, and the invariants between them, are described in `ARCHITECTURE.md`.
//!
//! Three outcomes are never mixed: configuration faults ([`policy::Faults`], all at once, at start), decisions
//! ([`decide::Decision`], where a denial is a value), and faults ([`fault::Fault`], an error of a fixed type).

pub mod answer;
pub mod apart;
pub mod authorizer;
pub mod certificate;
pub mod cli;
pub mod decide;
pub mod decision;
pub mod deny_list;
pub mod der;
pub mod environment;
pub mod event;
pub mod fault;
pub mod hex;
pub mod identity;
pub mod lambda;
pub mod policy;
pub mod revocation;
pub mod signature;
pub mod source;
pub mod telemetry;
pub mod timestamp;
pub mod token;
pub mod trust;
