//! Why a source could not be read.

use std::fmt;
use std::io;

use super::address::AddressFault;
use super::reference::SourceFault;

/// A source that could not be read, and why. It shows no query, no credential and nothing of what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    source: String,
    fault: FetchFault,
}

impl FetchError {
    pub(super) fn new(source: impl fmt::Display, fault: FetchFault) -> Self {
        Self { source: source.to_string(), fault }
    }

    /// What went wrong.
    #[must_use]
    pub const fn fault(&self) -> &FetchFault {
        &self.fault
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read `{}`: {}", self.source, self.fault)
    }
}

impl std::error::Error for FetchError {}

/// What went wrong in reading a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchFault {
    /// Something remote, in a build without the feature `network`.
    Offline,
    /// The file or its disk.
    File(String),
    /// A directory, pipe or device.
    NotAFile,
    /// A private key that every user of the machine may read.
    WorldReadable,
    /// No answer within the source's time-out, or within what the call has left for waiting.
    TimedOut,
    /// More bytes than this use of a source allows.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The name has no address, or nobody could be asked.
    Resolve(String),
    /// A certificate names an address that is never contacted.
    Address(AddressFault),
    /// No connection.
    Connect(String),
    /// The TLS handshake, or the list of authorities for it.
    Tls(String),
    /// The connection broke, the answer ended early, or it is no HTTP.
    Exchange(String),
    /// An answer other than 200.
    Status(u16),
    /// A redirect, which is not followed.
    Redirect(u16),
    /// A compressed answer, which nobody asked for.
    Encoded,
    /// `304 Not Modified` although the request had no condition.
    UnaskedNotModified,
    /// An answer of an AWS service other than success.
    Aws {
        /// The HTTP status.
        status: u16,
        /// The service's own code, such as `NoSuchKey`.
        code: Option<String>,
        /// The region that S3 says the bucket is in, where that isn't the one asked.
        region: Option<String>,
    },
    /// A variable of the environment that is needed is not set, or holds what it cannot hold.
    Environment(&'static str),
    /// `AWS_ENDPOINT_URL_…` names a plain HTTP endpoint elsewhere, for something that is not signed by itself.
    PlainHttpEndpoint,
    /// The secret has no value that could be read.
    NoSecretValue,
}

impl From<AddressFault> for FetchFault {
    fn from(fault: AddressFault) -> Self {
        Self::Address(fault)
    }
}

impl FetchFault {
    /// A fault of the file system, in words that are the same on every system where they are common.
    pub(super) fn file(error: &io::Error) -> Self {
        Self::File(match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        })
    }
}

impl fmt::Display for FetchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offline => SourceFault::Offline.fmt(f),
            Self::File(error) => f.write_str(error),
            Self::NotAFile => f.write_str("not a regular file"),
            Self::WorldReadable => {
                f.write_str("a private key that every user may read; `chmod o-r` it")
            }
            Self::TimedOut => f.write_str("no complete answer in time"),
            Self::TooLarge { limit } => write!(f, "larger than {limit} bytes"),
            Self::Resolve(error) => write!(f, "the host has no address: {error}"),
            Self::Address(fault) => fault.fmt(f),
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::Exchange(error) => write!(f, "the exchange broke off: {error}"),
            Self::Status(status) => write!(f, "the server answers {status}"),
            Self::Redirect(status) => {
                write!(f, "the server answers {status}, a redirect, which is not followed")
            }
            Self::Encoded => f.write_str("the answer is compressed, which was not asked for"),
            Self::UnaskedNotModified => f.write_str("the server answers 304 to a request without condition"),
            Self::Aws { status, code, region } => aws(f, *status, code.as_deref(), region.as_deref()),
            Self::Environment(fault) => f.write_str(fault),
            Self::PlainHttpEndpoint => f.write_str(
                "the endpoint that the environment names is plain HTTP on another machine, good for revocation \
                 lists alone",
            ),
            Self::NoSecretValue => f.write_str("the secret has no readable value"),
        }
    }
}

/// What an AWS service answers, with what usually is behind it.
fn aws(
    f: &mut fmt::Formatter<'_>,
    status: u16,
    code: Option<&str>,
    region: Option<&str>,
) -> fmt::Result {
    write!(f, "AWS answers {status}")?;
    if let Some(code) = code {
        write!(f, " `{code}`")?;
    }
    if let Some(region) = region {
        return write!(f, ": the bucket is in region `{region}`, which `AWS_REGION` has to name");
    }
    match (status, code) {
        (_, Some("NoSuchBucket")) => f.write_str(": there is no such bucket"),
        (404, _) => f.write_str(": there is no such object"),
        (_, Some("ResourceNotFoundException")) => f.write_str(": there is no such secret"),
        (_, Some("SignatureDoesNotMatch" | "InvalidAccessKeyId" | "InvalidSignatureException")) => {
            f.write_str(": the credentials of the environment are not those of a user it knows")
        }
        (_, Some("ExpiredToken" | "ExpiredTokenException" | "InvalidToken")) => {
            f.write_str(": the credentials of the environment have expired")
        }
        (_, Some("RequestTimeTooSkewed")) => f.write_str(": the clock of this machine is wrong"),
        (403, _) => f.write_str(
            ": the role may not read it, or there is none: without `s3:ListBucket` a missing object is a 403 too",
        ),
        (301 | 307, _) => f.write_str(": the bucket is in another region than `AWS_REGION`"),
        _ => Ok(()),
    }
}
