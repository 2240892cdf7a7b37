//! A throwaway PKI, so that there is something to try on a fresh machine.
//!
//! ```text
//! Acme Root CA ── Acme Issuing CA ──┬── orders     whom the sample policy allows
//!    (truststore.pem: both)         ├── billing    whom it does not know
//!                                   ├── expired    the allowed name, out of date
//!                                   └── revoked    the allowed name, revoked
//! Acme Issuing CA, another key ──────── other-ca   the allowed name, from a CA nobody trusts
//! Local Server CA ───────────────────── localhost  (server-ca.pem is what `curl --cacert` takes)
//! ```
//!
//! The key of the issuing CA is kept (`issuing-key.pem`), since [`revocation`](crate::revocation)
//! signs with it. The keys are worth nothing and still get mode 0600 in a directory of mode 0700, made beside its
//! final place and renamed, so that a PKI is there whole or not at all.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::revocation::Revocation;

/// Changes when the files do: a PKI of another version is made anew.
const VERSION: &str = "2\n";

/// The subject's common name of the CA that issues to clients.
const ISSUING_CA: &str = "Acme Issuing CA";

/// The clients of the issuing CA: file, common name, whether the validity is over.
const CLIENTS: [(&str, &str, bool); 4] = [
    ("orders", "orders", false),
    ("billing", "billing", false),
    ("expired", "orders", true),
    ("revoked", "orders", false),
];

/// Where the files of a PKI are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pki {
    directory: PathBuf,
}

/// A throwaway PKI could not be made.
#[derive(Debug)]
pub enum PkiError {
    /// A certificate could not be made.
    Certificate(rcgen::Error),
    /// A file could not be read or written.
    File(PathBuf, io::Error),
    /// A file is no certificate.
    NoCertificate(PathBuf),
    /// A file is no record of revocations.
    NoRecord(PathBuf),
    /// The issuing CA has no such client.
    NoClient(String),
}

impl fmt::Display for PkiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => write!(formatter, "a certificate can't be made: {error}"),
            Self::File(path, error) => {
                write!(formatter, "`{}` can't be read or written: {error}", path.display())
            }
            Self::NoCertificate(path) => {
                write!(formatter, "`{}` holds no certificate", path.display())
            }
            Self::NoRecord(path) => {
                write!(formatter, "`{}` is no record of revocations", path.display())
            }
            Self::NoClient(name) => {
                let clients: Vec<&str> = Pki::clients().collect();
                write!(formatter, "`{name}` is none of the clients {}", clients.join(", "))
            }
        }
    }
}

impl std::error::Error for PkiError {}

impl From<rcgen::Error> for PkiError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error)
    }
}

impl Pki {
    /// The PKI in `directory`, made there where there is none, or none that is good for another day.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn ensure(directory: &Path, now: OffsetDateTime) -> Result<Self, PkiError> {
        let pki = Self { directory: directory.to_owned() };
        if pki.is_usable(now) {
            return Ok(pki);
        }
        let beside = directory.with_extension(format!("new-{}", std::process::id()));
        remove(&beside)?;
        make(&beside, now)?;
        remove(directory)?;
        fs::rename(&beside, directory)
            .map_err(|error| PkiError::File(directory.to_owned(), error))?;
        Ok(pki)
    }

    /// Where a file of it is: `orders.pem`, `orders-key.pem`, `truststore.pem`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The PKI in `directory`, where there is one and it is good for another day.
    #[must_use]
    pub fn existing(directory: &Path, now: OffsetDateTime) -> Option<Self> {
        let pki = Self { directory: directory.to_owned() };
        pki.is_usable(now).then_some(pki)
    }

    /// The clients of the issuing CA, by the names of their files.
    pub fn clients() -> impl Iterator<Item = &'static str> {
        CLIENTS.iter().map(|(name, ..)| *name)
    }

    /// The CA that issues to clients, to sign with.
    ///
    /// # Errors
    /// Where its key can't be read.
    pub fn issuing_ca(&self) -> Result<Issuer<'static, KeyPair>, PkiError> {
        let path = self.file("issuing-key.pem");
        let pem = fs::read_to_string(&path).map_err(|error| PkiError::File(path.clone(), error))?;
        // Of the certificate only what goes into a signature counts: the name and the key.
        let epoch = OffsetDateTime::UNIX_EPOCH;
        let params =
            authority_params(ISSUING_CA, &Validity { not_before: epoch, not_after: epoch })?;
        Ok(Issuer::new(params, KeyPair::from_pem(&pem)?))
    }

    fn is_usable(&self, now: OffsetDateTime) -> bool {
        let valid_until = fs::read_to_string(self.file("valid-until")).unwrap_or_default();
        fs::read_to_string(self.file("version")).is_ok_and(|version| version == VERSION)
            && valid_until
                .trim()
                .parse::<i64>()
                .is_ok_and(|until| until > now.saturating_add(Duration::days(1)).unix_timestamp())
    }
}

struct Validity {
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

fn make(directory: &Path, now: OffsetDateTime) -> Result<(), PkiError> {
    make_directory(directory)?;
    let lasting =
        Validity { not_before: now - Duration::hours(1), not_after: now + Duration::days(365) };
    let over =
        Validity { not_before: now - Duration::days(30), not_after: now - Duration::days(1) };

    let (root_pem, root) = authority("Acme Root CA", &lasting, None)?;
    let (issuing_pem, issuing) = authority(ISSUING_CA, &lasting, Some(&root))?;
    let (_, other) = authority(ISSUING_CA, &lasting, None)?;
    let (server_ca_pem, server_ca) = authority("Local Server CA", &lasting, None)?;

    let write = |name: &str, text: &str| write(&directory.join(name), text);
    write("truststore.pem", &(issuing_pem + &root_pem))?;
    write("server-ca.pem", &server_ca_pem)?;
    write("issuing-key.pem", &issuing.key().serialize_pem())?;
    let own = CLIENTS.map(|(name, common_name, is_over)| {
        (name, common_name, if is_over { &over } else { &lasting }, &issuing)
    });
    for (name, common_name, validity, issuer) in
        own.into_iter().chain([("other-ca", "orders", &lasting, &other)])
    {
        let (certificate, key) = client(common_name, validity, issuer)?;
        write(&format!("{name}.pem"), &certificate)?;
        write(&format!("{name}-key.pem"), &key)?;
    }
    let (certificate, key) = server(&lasting, &server_ca)?;
    write("server.pem", &certificate)?;
    write("server-key.pem", &key)?;
    let made = Pki { directory: directory.to_owned() };
    Revocation::of(&made)?.revoke("revoked", now)?;
    write("valid-until", &lasting.not_after.unix_timestamp().to_string())?;
    write("version", VERSION)
}

fn authority(
    common_name: &str,
    validity: &Validity,
    issuer: Option<&Issuer<'static, KeyPair>>,
) -> Result<(String, Issuer<'static, KeyPair>), PkiError> {
    let params = authority_params(common_name, validity)?;
    let key = KeyPair::generate()?;
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer)?,
        None => params.self_signed(&key)?,
    };
    Ok((certificate.pem(), Issuer::new(params, key)))
}

fn authority_params(common_name: &str, validity: &Validity) -> Result<CertificateParams, PkiError> {
    let mut params = params(common_name, validity)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        // OCSP answers are signed with the same key.
        KeyUsagePurpose::DigitalSignature,
    ];
    Ok(params)
}

fn client(
    common_name: &str,
    validity: &Validity,
    issuer: &Issuer<'static, KeyPair>,
) -> Result<(String, String), PkiError> {
    let mut params = params(common_name, validity)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![
        SanType::DnsName(format!("{common_name}.acme.example").try_into()?),
        SanType::URI(format!("spiffe://acme/{common_name}").try_into()?),
    ];
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

fn server(
    validity: &Validity,
    issuer: &Issuer<'static, KeyPair>,
) -> Result<(String, String), PkiError> {
    let mut params = params("localhost", validity)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

fn params(common_name: &str, validity: &Validity) -> Result<CertificateParams, PkiError> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, "US");
    name.push(DnType::OrganizationName, "Acme");
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params.serial_number = Some(serial_number()?);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// 127 random bits, positive.
fn serial_number() -> Result<SerialNumber, PkiError> {
    let random = ring::rand::generate::<[u8; 16]>(&ring::rand::SystemRandom::new())
        .map_err(|_| rcgen::Error::RemoteKeyError)?
        .expose();
    let (first, rest) = random.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
    let mut bytes = vec![(first & 0x7f) | 0x40];
    bytes.extend_from_slice(rest);
    Ok(SerialNumber::from_slice(&bytes))
}

fn make_directory(directory: &Path) -> Result<(), PkiError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| PkiError::File(directory.to_owned(), error))
}

fn write(path: &Path, text: &str) -> Result<(), PkiError> {
    create(path, text.as_bytes()).map_err(|error| PkiError::File(path.to_owned(), error))
}

/// Makes a file that its owner alone may read.
fn create(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(contents)
}

/// Writes a file beside its place and renames it, so that whoever reads it reads the whole.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<(), PkiError> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let failed = |error| PkiError::File(path.to_owned(), error);
    let written = create(&beside, contents).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left of it would be in the way next time.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}

fn remove(directory: &Path) -> Result<(), PkiError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(PkiError::File(directory.to_owned(), error))
        }
        _ => Ok(()),
    }
}
