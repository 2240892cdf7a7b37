//! References to sources: where the configuration says that something is to be read from.
//!
//! A reference is a path, `s3://bucket/key`, `https://…`, for some uses `http://…`, and for signing keys
//! `secretsmanager:<arn>`. [`Source::parse`] is the one place where the text becomes a reference, so that one
//! which stands in memory has been judged: plain HTTP only for what is signed by itself (revocation lists,
//! OCSP answers), elsewhere only to this very machine, and never inside Lambda. A build without the feature
//! `network` takes files alone.
//!
//! Paths are relative to the document that names them, wherever that one came from: [`Source::beside`].
//! Reading a reference touches no file and no network.

use std::fmt;
use std::path::{Path, PathBuf};

use super::NETWORK;
use super::url::{Scheme, Url, UrlError};

/// Where something is read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// An object in S3.
    S3(S3Object),
    /// A document on a web server, over `https`, or `http` where [`Source::parse`] allows it.
    Web(Url),
    /// A secret of AWS Secrets Manager.
    Secret(SecretArn),
}

/// An object in S3.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct S3Object {
    bucket: String,
    key: String,
}

impl S3Object {
    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The object's key, as it is, not percent-encoded.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// The ARN of a secret of AWS Secrets Manager, `arn:aws:secretsmanager:eu-central-1:123456789012:secret:name-AbCdEf`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretArn(String);

impl SecretArn {
    /// The ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region where the secret is kept.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }

    /// The partition: `aws`, `aws-cn`, `aws-us-gov`.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }
}

/// What a source is for, which decides what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A revocation list: signed, so plain HTTP will do.
    RevocationList,
    /// An OCSP responder: signed answers, so plain HTTP will do; a URL and nothing else.
    Responder,
    /// Whatever is believed because of where it comes from: the configuration, trust anchors, deny lists, key sets.
    Document,
    /// A private key: as a document, and Secrets Manager too.
    SigningKey,
}

/// Under which circumstances a reference is read.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What the source is for.
    pub used_as: Use,
    /// What relative paths are relative to.
    pub base: &'a Base,
    /// Whether this is inside Lambda, where plain HTTP to this machine means nothing.
    pub in_lambda: bool,
}

/// What relative paths are relative to: a directory, or the place of a fetched document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// A directory.
    Directory(PathBuf),
    /// Objects of this bucket whose keys start with this prefix, which is empty or ends in `/`.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// Empty, or ending in `/`.
        prefix: String,
    },
    /// Documents of the same web server under this path, which ends in `/`.
    Web(Url),
}

impl Source {
    /// Reads a reference.
    ///
    /// # Errors
    /// The rule it breaks. The error shows the text without what may be a secret in it.
    pub fn parse(text: &str, rules: Rules<'_>) -> Result<Self, SourceSyntaxError> {
        Self::parse_where(NETWORK, text, rules)
    }

    /// Reads a reference for a build with a network, or for one without.
    fn parse_where(network: bool, text: &str, rules: Rules<'_>) -> Result<Self, SourceSyntaxError> {
        parse(network, text, rules)
            .map_err(|fault| SourceSyntaxError { text: presentable(text), fault })
    }

    /// What paths in the document that this source holds are relative to.
    #[must_use]
    pub fn beside(&self) -> Base {
        match self {
            Self::File(path) => {
                Base::Directory(path.parent().unwrap_or(Path::new("")).to_path_buf())
            }
            Self::S3(object) => Base::S3 {
                bucket: object.bucket.clone(),
                prefix: directory_of(&object.key).to_owned(),
            },
            Self::Web(url) => Base::Web(url.with_path(directory_of(url.path()).to_owned())),
            // A secret is a key and names nothing.
            Self::Secret(_) => Base::Directory(PathBuf::new()),
        }
    }

    /// Whether it is read over the network.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        !matches!(self, Self::File(_))
    }
}

/// As it would be written in the configuration, without a URL's query, which may hold a secret.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::S3(object) => write!(f, "s3://{}/{}", object.bucket, object.key),
            Self::Web(url) => write!(f, "{url}"),
            Self::Secret(arn) => write!(f, "secretsmanager:{}", arn.0),
        }
    }
}

/// A text that is no reference to a source, or one that may not be used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSyntaxError {
    text: String,
    fault: SourceFault,
}

impl SourceSyntaxError {
    /// The rule that is broken.
    #[must_use]
    pub const fn fault(&self) -> SourceFault {
        self.fault
    }
}

impl fmt::Display for SourceSyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no source here: {}", self.text, self.fault)
    }
}

impl std::error::Error for SourceSyntaxError {}

/// The rules of [`Source::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFault {
    /// Nothing is written.
    Empty,
    /// A NUL or another control character.
    ControlCharacter,
    /// A scheme that is not spoken, such as `ldap`, `ftp` or `file`.
    Scheme,
    /// Not a well-formed URL.
    Url(UrlError),
    /// Plain HTTP for something that carries no signature.
    PlainHttp,
    /// Plain HTTP to this machine, inside Lambda.
    PlainHttpInLambda,
    /// Not the name of a bucket.
    Bucket,
    /// No key, or one over 1,024 bytes.
    Key,
    /// A `..` or an empty step in a path beside a fetched document.
    Escapes,
    /// An OCSP responder that is no URL.
    NotAResponder,
    /// Secrets Manager for something that is no signing key.
    SecretElsewhere,
    /// Not the ARN of a secret.
    Arn,
    /// No file, in a build without the feature `network`.
    Offline,
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::ControlCharacter => "it holds a control character",
            Self::Scheme => {
                "a source is a path, `s3://bucket/key` or `https://…` (`http://…` for revocation lists and OCSP)"
            }
            Self::Url(error) => return error.fmt(f),
            Self::PlainHttp => {
                "plain `http://` is for revocation lists and OCSP alone, which are signed; use `https://`"
            }
            Self::PlainHttpInLambda => {
                "plain `http://` to this machine is for use outside Lambda alone; use `https://`"
            }
            Self::Bucket => {
                "an S3 bucket's name has 3 to 63 of a-z, 0-9, `.` and `-`, and starts and ends with a letter or digit"
            }
            Self::Key => "an S3 object needs a key of 1 to 1024 bytes: `s3://bucket/key`",
            Self::Escapes => {
                "a path beside a fetched document must not leave its place: no empty, `.` or `..` steps"
            }
            Self::NotAResponder => "an OCSP responder is an `http://…` or `https://…` URL",
            Self::SecretElsewhere => "`secretsmanager:` is for signing keys alone",
            Self::Arn => {
                "expected `secretsmanager:arn:<partition>:secretsmanager:<region>:<account>:secret:<name>`"
            }
            Self::Offline => {
                "this build reads files alone; it was made without the feature `network`"
            }
        })
    }
}

fn parse(network: bool, text: &str, rules: Rules<'_>) -> Result<Source, SourceFault> {
    if text.is_empty() {
        return Err(SourceFault::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(SourceFault::ControlCharacter);
    }
    let source = match scheme(text) {
        None if rules.used_as == Use::Responder => return Err(SourceFault::NotAResponder),
        None => beside(rules.base, text)?,
        Some("s3") => Source::S3(s3_object(text)?),
        Some("http" | "https") => Source::Web(Url::parse(text).map_err(SourceFault::Url)?),
        Some("secretsmanager") => Source::Secret(secret_arn(text)?),
        Some(_) => return Err(SourceFault::Scheme),
    };
    if source.is_remote() && !network {
        return Err(SourceFault::Offline);
    }
    judge(source, rules)
}

fn judge(source: Source, rules: Rules<'_>) -> Result<Source, SourceFault> {
    match (&source, rules.used_as) {
        (Source::Web(_), Use::RevocationList | Use::Responder) => Ok(source),
        (_, Use::Responder) => Err(SourceFault::NotAResponder),
        (Source::Secret(_), Use::SigningKey) => Ok(source),
        (Source::Secret(_), _) => Err(SourceFault::SecretElsewhere),
        (Source::Web(url), _) if url.scheme() == Scheme::Http => {
            if !url.host().is_loopback() {
                Err(SourceFault::PlainHttp)
            } else if rules.in_lambda {
                Err(SourceFault::PlainHttpInLambda)
            } else {
                Ok(source)
            }
        }
        _ => Ok(source),
    }
}

/// The scheme that a text starts with, where it is one that somebody would mean as such: anything before
/// `://`, and the schemes that people write without the slashes. A path may hold a colon otherwise.
fn scheme(text: &str) -> Option<&'static str> {
    const KNOWN: [&str; 8] =
        ["s3", "http", "https", "secretsmanager", "file", "ldap", "ldaps", "arn"];
    let (before, after) = text.split_once(':')?;
    let known = KNOWN.into_iter().find(|known| before.eq_ignore_ascii_case(known));
    match known {
        Some(known) => Some(known),
        None if after.starts_with("//") && !before.contains('/') => Some("unknown"),
        None => None,
    }
}

fn beside(base: &Base, text: &str) -> Result<Source, SourceFault> {
    if Path::new(text).is_absolute() {
        return Ok(Source::File(PathBuf::from(text)));
    }
    match base {
        Base::Directory(directory) => Ok(Source::File(directory.join(text))),
        Base::S3 { bucket, prefix } => {
            let key = format!("{prefix}{}", steps(text)?);
            s3_key(&key)
                .then(|| Source::S3(S3Object { bucket: bucket.clone(), key }))
                .ok_or(SourceFault::Key)
        }
        Base::Web(url) => {
            let url = url.with_path(format!("{}{}", url.path(), steps(text)?));
            // The text may hold what a URL must not; the whole is read again.
            Url::parse(&url.to_string()).map(Source::Web).map_err(SourceFault::Url)
        }
    }
}

/// A relative path for joining to a key or URL: nothing that a server or a proxy could resolve upwards.
fn steps(text: &str) -> Result<&str, SourceFault> {
    let text = text.strip_prefix("./").unwrap_or(text);
    let escapes = |step: &str| {
        // A query ends the path, and `%2e` is a dot (RFC 3986, sections 3.3 and 6.2.2.2).
        let step = step.split('?').next().unwrap_or_default();
        matches!(&*step.replace("%2e", ".").replace("%2E", "."), "" | "." | "..")
    };
    if text.split('/').any(escapes) { Err(SourceFault::Escapes) } else { Ok(text) }
}

fn s3_object(text: &str) -> Result<S3Object, SourceFault> {
    let (_, rest) = text.split_once("://").ok_or(SourceFault::Scheme)?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if !s3_bucket(bucket) {
        return Err(SourceFault::Bucket);
    }
    if !s3_key(key) {
        return Err(SourceFault::Key);
    }
    Ok(S3Object { bucket: bucket.to_owned(), key: key.to_owned() })
}

fn s3_bucket(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| inner(byte) || byte == b'.' || byte == b'-')
        && name.bytes().next().is_some_and(inner)
        && name.bytes().next_back().is_some_and(inner)
        && !name.contains("..")
}

fn s3_key(key: &str) -> bool {
    (1..=1024).contains(&key.len())
}

fn secret_arn(text: &str) -> Result<SecretArn, SourceFault> {
    let (_, arn) = text.split_once(':').ok_or(SourceFault::Arn)?;
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    let [prefix, partition, service, region, account, resource, name] = parts.as_slice() else {
        return Err(SourceFault::Arn);
    };
    let label = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let sound = *prefix == "arn"
        && (*partition == "aws" || partition.strip_prefix("aws-").is_some_and(label))
        && *service == "secretsmanager"
        && label(region)
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && *resource == "secret"
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-!".contains(&byte));
    if sound { Ok(SecretArn(arn.to_owned())) } else { Err(SourceFault::Arn) }
}

/// Everything up to and with the last `/`.
fn directory_of(path: &str) -> &str {
    path.rfind('/').and_then(|slash| path.get(..=slash)).unwrap_or("")
}

/// The text for an error message: of what has a scheme, however mistyped, without user information, query and fragment;
/// control characters escaped, cut short.
fn presentable(text: &str) -> String {
    const LONGEST: usize = 200;
    let before_colon = text.split_once(':').map(|(before, _)| before);
    let scheme = before_colon.filter(|it| !it.contains('/') || text.contains("://"));
    let (shown, hidden) = match text.find(['?', '#']).and_then(|at| text.split_at_checked(at)) {
        Some((before, _)) if scheme.is_some() => (before, "…"),
        _ => (text, ""),
    };
    let shown = match (scheme, shown.rsplit_once('@')) {
        (Some(scheme), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => shown.to_owned(),
    };
    let cut: String = shown.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    let more = if shown.chars().count() > LONGEST { "…" } else { "" };
    format!("{cut}{more}{hidden}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base::Directory(PathBuf::from("/etc/authorizer"))
    }

    fn parse(text: &str, used_as: Use) -> Result<Source, SourceFault> {
        let base = base();
        super::parse(true, text, Rules { used_as, base: &base, in_lambda: false })
    }

    fn read(text: &str, used_as: Use) -> String {
        parse(text, used_as).unwrap().to_string()
    }

    #[test]
    fn what_may_be_secret_in_a_reference_is_not_shown_however_mistyped() {
        for (text, shown) in [
            ("https://h/a?secret", "https://h/a…"),
            ("https://h/a#secret", "https://h/a…"),
            ("https://user:secret@h/a", "https://…@h/a"),
            ("https:/user:secret@h/a", "https://…@h/a"),
            ("https:user:secret@h://", "https://…@h://"),
            // Found by fuzzing.
            ("ht./s://h.crl?secret", "ht./s://h.crl…"),
            ("a/b.pem", "a/b.pem"),
            ("a?b.pem", "a?b.pem"),
            ("a/b:c?d.pem", "a/b:c?d.pem"),
        ] {
            assert_eq!(presentable(text), shown, "{text}");
        }
    }

    #[test]
    fn each_kind_of_reference_is_read_where_it_may_stand() {
        assert_eq!(read("ca.pem", Use::Document), "/etc/authorizer/ca.pem");
        assert_eq!(read("/opt/ca.pem", Use::Document), "/opt/ca.pem");
        assert_eq!(read("a:b.pem", Use::Document), "/etc/authorizer/a:b.pem");
        assert_eq!(read("s3://pki/a b/ü.crl", Use::RevocationList), "s3://pki/a b/ü.crl");
        assert_eq!(read("HTTPS://PKI.example.com", Use::Document), "https://pki.example.com/");
        let arn = "secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:k-AbCdEf";
        assert_eq!(read(arn, Use::SigningKey), arn);
        assert_eq!(parse(arn, Use::Document), Err(SourceFault::SecretElsewhere));
    }

    #[test]
    fn plain_http_is_for_what_is_signed() {
        let text = "http://pki.example.com/list.crl";
        assert_eq!(read(text, Use::RevocationList), text);
        assert_eq!(read(text, Use::Responder), text);
        assert_eq!(parse(text, Use::Document), Err(SourceFault::PlainHttp));
        assert_eq!(parse(text, Use::SigningKey), Err(SourceFault::PlainHttp));
    }

    #[test]
    fn plain_http_to_this_machine_is_for_outside_lambda() {
        let base = base();
        for text in ["http://localhost/a", "http://127.0.0.1:8080/a", "http://[::1]/a"] {
            let rules = Rules { used_as: Use::Document, base: &base, in_lambda: false };
            assert!(super::parse(true, text, rules).is_ok(), "{text}");
            let inside = super::parse(true, text, Rules { in_lambda: true, ..rules });
            assert_eq!(inside, Err(SourceFault::PlainHttpInLambda), "{text}");
        }
        for text in ["http://localhost.example.com/a", "http://128.0.0.1/a", "http://[::2]/a"] {
            assert_eq!(parse(text, Use::Document), Err(SourceFault::PlainHttp), "{text}");
        }
    }

    #[test]
    fn a_responder_is_a_url() {
        assert_eq!(parse("ocsp", Use::Responder), Err(SourceFault::NotAResponder));
        assert_eq!(parse("s3://bucket/ocsp", Use::Responder), Err(SourceFault::NotAResponder));
        assert!(parse("https://ocsp.example.com", Use::Responder).is_ok());
    }

    #[test]
    fn what_is_no_reference_says_which_rule_it_breaks() {
        for (text, fault) in [
            ("", SourceFault::Empty),
            ("a\0b", SourceFault::ControlCharacter),
            ("ldap://ldap.example.com/cn=ca", SourceFault::Scheme),
            ("ftp://example.com/a", SourceFault::Scheme),
            ("file:/etc/passwd", SourceFault::Scheme),
            ("arn:aws:s3:::pki/a", SourceFault::Scheme),
            ("https:pki.example.com/a", SourceFault::Url(UrlError::Scheme)),
            ("s3:pki/a", SourceFault::Scheme),
            ("s3://pki", SourceFault::Key),
            ("s3://pki/", SourceFault::Key),
            ("s3:///a", SourceFault::Bucket),
            ("s3://Pki/a", SourceFault::Bucket),
            ("s3://a..b/a", SourceFault::Bucket),
            ("s3://evil@host/a", SourceFault::Bucket),
            ("https://user:pass@pki.example.com/", SourceFault::Url(UrlError::UserInformation)),
            ("https://pki.example.com/#a", SourceFault::Url(UrlError::Fragment)),
            ("https://pki.example.com:0/", SourceFault::Url(UrlError::Port)),
            ("https://pki.example.com:65536/", SourceFault::Url(UrlError::Port)),
            ("https://pki.example.com:/", SourceFault::Url(UrlError::Port)),
            ("https://pki.example.com:+80/", SourceFault::Url(UrlError::Port)),
            ("https:///a", SourceFault::Url(UrlError::Host)),
            ("https://127.1/", SourceFault::Url(UrlError::Host)),
            ("https://0x7f000001/", SourceFault::Url(UrlError::Host)),
            ("https://2130706433/", SourceFault::Url(UrlError::Host)),
            ("https://0177.0.0.1/", SourceFault::Url(UrlError::Host)),
            ("https://pki.example.com./", SourceFault::Url(UrlError::Host)),
            ("https://[fe80::1%25eth0]/", SourceFault::Url(UrlError::Host)),
            ("https://pki.example.com\\@evil/", SourceFault::Url(UrlError::Character)),
            ("https://pki.exämple.com/", SourceFault::Url(UrlError::Character)),
            ("secretsmanager:name", SourceFault::Arn),
            ("secretsmanager:arn:aws:ssm:eu-central-1:123456789012:secret:k", SourceFault::Arn),
        ] {
            assert_eq!(parse(text, Use::SigningKey), Err(fault), "{text}");
        }
    }

    #[test]
    fn without_a_network_files_alone_are_references() {
        const OFFLINE: Result<Source, SourceFault> = Err(SourceFault::Offline);
        let directory = base();
        let s3 = Base::S3 { bucket: "pki".to_owned(), prefix: String::new() };
        let web = Base::Web(Url::parse("https://pki.example.com/").unwrap());
        let arn = "secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:k-AbCdEf";
        for (text, used_as, base, expected) in [
            ("s3://pki/ca.pem", Use::Document, &directory, OFFLINE),
            ("https://pki.example.com/ca.pem", Use::Document, &directory, OFFLINE),
            ("http://localhost/ca.pem", Use::Document, &directory, OFFLINE),
            ("http://pki.example.com/ca.pem", Use::Document, &directory, OFFLINE),
            ("http://pki.example.com/a.crl", Use::RevocationList, &directory, OFFLINE),
            ("https://ocsp.example.com", Use::Responder, &directory, OFFLINE),
            ("http://ocsp.example.com", Use::Responder, &directory, OFFLINE),
            (arn, Use::SigningKey, &directory, OFFLINE),
            (arn, Use::Document, &directory, OFFLINE),
            ("ca.pem", Use::Document, &s3, OFFLINE),
            ("ca.pem", Use::Document, &web, OFFLINE),
            // What is broken is told first, and a file stays a file wherever the document is.
            ("s3://pki", Use::Document, &directory, Err(SourceFault::Key)),
            ("/ca.pem", Use::Document, &s3, Ok(Source::File("/ca.pem".into()))),
            (
                "ca.pem",
                Use::SigningKey,
                &directory,
                Ok(Source::File("/etc/authorizer/ca.pem".into())),
            ),
        ] {
            let rules = Rules { used_as, base, in_lambda: false };
            assert_eq!(super::parse(false, text, rules), expected, "{text}");
            // The twin with a network never says so.
            assert_ne!(super::parse(true, text, rules), OFFLINE, "{text}");
        }
    }

    #[test]
    fn paths_in_a_fetched_document_are_beside_it() {
        let beside = |document: &str, text: &str| {
            let directory = base();
            let rules = Rules { used_as: Use::Document, base: &directory, in_lambda: true };
            let base = super::parse(true, document, rules).unwrap().beside();
            super::parse(true, text, Rules { base: &base, ..rules })
                .map(|source| source.to_string())
        };
        assert_eq!(beside("s3://pki/prod/a.toml", "ca.pem").unwrap(), "s3://pki/prod/ca.pem");
        assert_eq!(beside("s3://pki/a.toml", "./x/ca.pem").unwrap(), "s3://pki/x/ca.pem");
        assert_eq!(beside("s3://pki/a.toml", "/opt/ca.pem").unwrap(), "/opt/ca.pem");
        assert_eq!(
            beside("https://h.example/c/a.toml?t=1", "ca.pem").unwrap(),
            "https://h.example/c/ca.pem"
        );
        assert_eq!(beside("s3://pki/prod/a.toml", "../ca.pem"), Err(SourceFault::Escapes));
        for escaping in
            ["../ca.pem", "..?ca.pem", "lists/.?a", "%2e%2E/ca.pem", ".%2e", "a//b", "lists/"]
        {
            let read = beside("https://h.example/c/a.toml", escaping);
            assert_eq!(read, Err(SourceFault::Escapes), "{escaping}");
        }
        for staying in ["ca.pem?v=2", "..ca.pem", "lists/%2eca.pem", "ca.pem?a=.."] {
            assert!(beside("https://h.example/c/a.toml", staying).is_ok(), "{staying}");
        }
        assert_eq!(beside("https://h.example", "ca.pem").unwrap(), "https://h.example/ca.pem");
        assert_eq!(beside("sub/a.toml", "../ca.pem").unwrap(), "/etc/authorizer/sub/../ca.pem");
    }

    #[test]
    fn no_error_and_no_debug_output_shows_a_query_or_a_password() {
        let directory = base();
        let rules = Rules { used_as: Use::Document, base: &directory, in_lambda: true };
        for text in [
            "ftp://h.example/a?X-Amz-Signature=hidden",
            "http://h.example/a?token=hidden",
            "https://me:hidden@h.example/a",
        ] {
            let error = Source::parse_where(true, text, rules).unwrap_err();
            assert!(!error.to_string().contains("hidden"), "{error}");
            assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
        }
        let text = "https://h.example/a?token=hidden";
        let error = Source::parse_where(false, text, rules).unwrap_err();
        assert!(!error.to_string().contains("hidden"), "{error}");
        let source = Source::parse_where(true, text, rules).unwrap();
        assert_eq!(source.to_string(), "https://h.example/a?…");
        assert!(!format!("{source:?}").contains("hidden"));
    }
}
