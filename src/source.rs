//! Where everything that is not in the event comes from: files, web servers, S3 and Secrets Manager.
//!
//! This is the only module that reads files and talks to the network.

pub mod address;
pub mod reference;
pub mod url;

pub use reference::{Base, Rules, Source, SourceFault, SourceSyntaxError, Use};
