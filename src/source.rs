//! Where everything that is not in the event comes from: files, web servers, S3 and Secrets Manager.
//!
//! **Invariant: what a configuration names is read by this module alone.** Everything else takes
//! bytes. What it hands out is no more trustworthy than where it came from: whoever parses a document judges
//! its signature.
//!
//! * [`Source::parse`] makes a reference of a text, under the rules for what it is used as ([`mod@reference`]).
//! * [`Fetcher::fetch`] reads one, bounded in time and size, and conditionally where a copy is at hand.
//! * [`Refreshed`] keeps the last good copy of one and asks for it again when it is due ([`cache`]).
//! * [`AllowedHosts::admit`] is the way for a URL out of a certificate, and the only one ([`address`]).
//!
//! What is remote is the business of `remote`, which a build without the feature `network` does not have: there
//! [`Source::parse`] takes files alone, and a [`Fetcher`] answers everything else with [`FetchFault::Offline`].
//!
//! A [`Fetcher`] is made without a file read or a socket opened. Anything remote needs a tokio runtime with
//! I/O and time enabled; files alone do not.
//!
//! Not supported: redirects, proxies, cookies, compression, HTTP/2, FTP, LDAP; AWS credentials from anywhere
//! but the environment; S3 versions, ranges, access points and directory buckets.

pub mod address;
pub mod cache;
mod error;
mod file;
pub mod reference;
#[cfg_attr(not(feature = "network"), path = "source/offline.rs")]
mod remote;
pub mod url;

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::environment::Environment;
use crate::timestamp::Timestamp;
pub use address::{AddressFault, AllowedHosts, Endpoint};
pub use cache::{Call, Current, Loaded, Refreshed, Schedule};
pub use error::{FetchError, FetchFault};
pub use file::is_there;
pub use reference::{Base, Rules, Source, SourceFault, SourceSyntaxError, Use};
#[cfg(feature = "network")]
pub use remote::{BoxFuture, Network, SystemNetwork};
pub use url::{Host, Scheme, Url, UrlError};

/// Whether this build has a network: whether it was made with the feature `network`. Without it files are all that
/// is read, and a configuration that needs more is a fault at start.
pub const NETWORK: bool = cfg!(feature = "network");

/// Reads sources. One serves the whole process.
pub struct Fetcher {
    remote: remote::Remote,
    in_lambda: bool,
}

/// The wall clock, for signatures of requests and for TLS. Decisions are made for an instant of their own.
#[derive(Clone, Copy, Debug)]
pub struct Clock(fn() -> Timestamp);

impl Clock {
    /// A clock that asks this function.
    #[must_use]
    pub const fn new(now: fn() -> Timestamp) -> Self {
        Self(now)
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// What is asked for, and on which terms.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Where it is.
    pub target: Target<'a>,
    /// What it will be used as.
    pub used_as: Use,
    /// Which copy is at hand: nothing is sent again that hasn't changed since.
    pub validator: Option<&'a Validator>,
    /// The most bytes that are taken.
    pub limit: usize,
    /// The longest wait for this source.
    pub timeout: Duration,
    /// What the whole call may still wait.
    pub budget: Budget,
}

/// Where something is read from: a source of the configuration, or an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A source that the configuration names.
    Source(&'a Source),
    /// A URL that has been let pass.
    Endpoint(&'a Endpoint),
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(source) => source.fmt(f),
            Self::Endpoint(endpoint) => endpoint.fmt(f),
        }
    }
}

/// What one call may spend waiting for all its sources together.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    end: Instant,
}

impl Budget {
    /// A budget that starts now.
    #[must_use]
    pub fn starting_now(total: Duration) -> Self {
        Self { end: Instant::now() + total }
    }

    /// When a wait of at most `timeout` that starts now has to end.
    fn deadline(self, timeout: Duration) -> Instant {
        self.end.min(Instant::now() + timeout)
    }
}

/// What tells one state of a document from another: a server's `ETag` or `Last-Modified`, a file's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator(State);

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    File(file::FileState),
    Answer(remote::AnswerState),
}

impl Validator {
    const fn file(state: file::FileState) -> Self {
        Self(State::File(state))
    }
}

impl From<remote::AnswerState> for Validator {
    fn from(state: remote::AnswerState) -> Self {
        Self(State::Answer(state))
    }
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A document.
    New {
        /// All of it.
        bytes: Vec<u8>,
        /// For asking again.
        validator: Option<Validator>,
    },
    /// The copy at hand is the document.
    NotModified,
}

/// What came of asking, where the document went to a [`Receive`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was received.
    Complete(Option<Validator>),
    /// The copy at hand is the document; nothing was received.
    NotModified,
}

/// Takes a document as it comes, so that a large one need not be held twice.
///
/// What it took counts for nothing until the fetch that fed it has ended well: a document may break off.
pub trait Receive: Send {
    /// A document begins, of this many bytes where that is known.
    fn begin(&mut self, length: Option<usize>);

    /// Its next bytes.
    fn take(&mut self, bytes: &[u8]);
}

/// Allocates just what the document needs, where its length is known.
impl Receive for Vec<u8> {
    fn begin(&mut self, length: Option<usize>) {
        self.clear();
        // Where that is more than there is, growing will say so.
        let _ = self.try_reserve_exact(length.unwrap_or(0));
    }

    fn take(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A question to a server that answers questions: OCSP over POST (RFC 6960, A.1).
#[derive(Clone, Copy)]
pub struct Post<'a> {
    /// Whom it is put to.
    pub endpoint: &'a Endpoint,
    /// The media type of the question.
    pub content_type: &'static str,
    /// The question.
    pub body: &'a [u8],
    /// The most bytes of answer that are taken.
    pub limit: usize,
    /// The longest wait.
    pub timeout: Duration,
    /// What the whole call may still wait.
    pub budget: Budget,
}

/// Nothing of the environment, which holds credentials.
impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

impl Fetcher {
    /// A fetcher over the system's network, on the terms of the environment: `AWS_REGION`,
    /// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL_SECRETS_MANAGER`, the credentials that Lambda gives, and
    /// `SSL_CERT_FILE` for authorities other than Mozilla's. Without the feature `network`, over none.
    #[must_use]
    pub fn new(environment: &dyn Environment, clock: Clock) -> Self {
        Self::over(remote::Remote::new(environment, clock), environment)
    }

    /// A fetcher over another network.
    #[cfg(feature = "network")]
    #[must_use]
    pub fn on(network: Box<dyn Network>, environment: &dyn Environment, clock: Clock) -> Self {
        Self::over(remote::Remote::on(network, environment, clock), environment)
    }

    fn over(remote: remote::Remote, environment: &dyn Environment) -> Self {
        Self { remote, in_lambda: environment.variable("AWS_LAMBDA_RUNTIME_API").is_some() }
    }

    /// Reads a source whole.
    ///
    /// # Errors
    /// Which source could not be read, and why.
    pub async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let mut bytes = Vec::new();
        Ok(match self.fetch_into(ask, &mut bytes).await? {
            Outcome::Complete(validator) => Fetched::New { bytes, validator },
            Outcome::NotModified => Fetched::NotModified,
        })
    }

    /// Reads a source into a receiver.
    ///
    /// # Errors
    /// Which source could not be read, and why. The receiver may then have taken a part of it.
    pub async fn fetch_into(
        &self,
        ask: Ask<'_>,
        receiver: &mut dyn Receive,
    ) -> Result<Outcome, FetchError> {
        let outcome = match ask.target {
            Target::Source(Source::File(path)) => {
                let private = ask.used_as == Use::SigningKey && !self.in_lambda;
                file::read(path, ask.validator, ask.limit, private, receiver)
            }
            _ => self.remote.fetch(ask, receiver).await,
        };
        outcome.map_err(|fault| FetchError::new(ask.target, fault))
    }

    /// Puts a question to a server and returns its answer.
    ///
    /// # Errors
    /// Who could not be asked, and why.
    pub async fn post(&self, post: Post<'_>) -> Result<Vec<u8>, FetchError> {
        let answer = self.remote.post(post).await;
        answer.map_err(|fault| FetchError::new(post.endpoint, fault))
    }
}
