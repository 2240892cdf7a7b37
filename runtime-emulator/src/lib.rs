//! The server side of the Lambda Runtime API, for one function process at a time.
//!
//! AWS Lambda starts a function's `bootstrap` in an *execution environment* and talks to it over
//! HTTP on the loopback interface: the function asks for its next event, posts the response or an
//! error, and asks again ([Runtime API, version 2018-06-01][api]). This crate is the other end of
//! that conversation. [`Launch`] says how to start a bootstrap, [`Bootstrap`] is the running
//! process with its endpoint, and [`Bootstrap::invoke`] is one call:
//!
//! ```no_run
//! use runtime_emulator::{Launch, Outcome};
//!
//! let mut bootstrap = Launch::new("target/debug/mtls-authorizer").spawn()?;
//! match bootstrap.invoke(b"{}") {
//!     Outcome::Response(body) => assert!(!body.is_empty()),
//!     other => println!("{other:?}"),
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! What is kept of Lambda: the headers of an event, the function's deadline, the limits on size
//! and on the time for initialisation, one invocation at a time, the process ended when it
//! overruns its deadline, answers to unknown or stale request ids refused, and an environment made
//! of Lambda's own variables alone. What is not here: freezing between calls, extensions,
//! SnapStart, response streaming to the caller (a streamed body is collected whole), and several
//! concurrent events in one environment.
//!
//! Everything is blocking and from the standard library, a thread for each connection and each
//! output stream; the endpoint listens on 127.0.0.1 alone and lives as long as the [`Bootstrap`].
//!
//! [api]: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

mod bootstrap;
mod endpoint;
mod http;
mod launch;
mod outcome;

pub use bootstrap::{Bootstrap, Ender};
pub use launch::{Launch, LogLine, LogStream};
pub use outcome::{Invocation, Outcome};
