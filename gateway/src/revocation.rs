//! What the issuing CA of the throwaway PKI has revoked, and the list that says so.
//!
//! `revoked.txt` in the PKI's directory is the record: a line for each revoked client, its name and
//! the second of its revocation. From it come `issuing.crl` (RFC 5280), signed anew at every change,
//! and the answers of the OCSP responder ([`ocsp`](crate::ocsp)), signed when they are asked for.
//! So `cargo gateway revoke orders`, a program of its own, takes effect in a gateway that runs.
//!
//! [`Checking`] is the other side of it: the tables that make the authorizer look.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevocationReason,
    RevokedCertParams, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::{Duration, OffsetDateTime};

use crate::certificate::Certificate;
use crate::pki::{Pki, PkiError, replace};

/// Until when a list serves. It is signed anew whenever a gateway starts.
const LIST_SERVES: Duration = Duration::days(30);

/// The issuing CA, with the clients that it has issued to.
#[derive(Debug)]
pub struct Revocation {
    record: PathBuf,
    list: PathBuf,
    pub(crate) ca: Issuer<'static, KeyPair>,
    /// Serial numbers by client, as the octets of the DER integer.
    issued: BTreeMap<&'static str, Vec<u8>>,
}

/// Revoked clients, and since when.
type Record = BTreeMap<String, OffsetDateTime>;

/// What a CA knows of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Issued, and not revoked.
    Good,
    /// Revoked since then.
    Revoked(OffsetDateTime),
    /// Never issued.
    Unknown,
}

impl Revocation {
    /// The issuing CA of a PKI.
    ///
    /// # Errors
    /// Where its key or a client's certificate can't be read.
    pub fn of(pki: &Pki) -> Result<Self, PkiError> {
        let mut issued = BTreeMap::new();
        for name in Pki::clients() {
            let path = pki.file(&format!("{name}.pem"));
            let certificate = CertificateDer::from_pem_file(&path)
                .ok()
                .and_then(|der| Certificate::from_der(&der).ok())
                .ok_or(PkiError::NoCertificate(path))?;
            issued.insert(name, certificate.raw_serial_number().to_vec());
        }
        Ok(Self {
            record: pki.file("revoked.txt"),
            list: pki.file("issuing.crl"),
            ca: pki.issuing_ca()?,
            issued,
        })
    }

    /// Revokes a client, and signs the list that says so.
    ///
    /// # Errors
    /// Where there is no such client, or the files can't be written.
    pub fn revoke(&self, client: &str, now: OffsetDateTime) -> Result<(), PkiError> {
        self.change(client, now, |record| {
            record.entry(client.to_owned()).or_insert(now);
        })
    }

    /// Takes a revocation back, as no real CA does.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub fn unrevoke(&self, client: &str, now: OffsetDateTime) -> Result<(), PkiError> {
        self.change(client, now, |record| {
            record.remove(client);
        })
    }

    /// Signs the list anew.
    ///
    /// # Errors
    /// Where the files can't be read or written.
    pub fn sign_list(&self, now: OffsetDateTime) -> Result<(), PkiError> {
        let revoked_certs = self.read()?.into_iter().filter_map(|(client, since)| {
            Some(RevokedCertParams {
                serial_number: SerialNumber::from_slice(self.issued.get(client.as_str())?),
                revocation_time: since,
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            })
        });
        let params = CertificateRevocationListParams {
            this_update: now,
            next_update: now + LIST_SERVES,
            // Grows with every list, also where somebody has deleted the one before.
            crl_number: SerialNumber::from_slice(&number(now)),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        replace(&self.list, params.signed_by(&self.ca)?.der())
    }

    /// What is known of the certificate with this serial number, given as the octets of its DER
    /// integer.
    ///
    /// # Errors
    /// Where the record can't be read.
    pub fn status(&self, serial_number: &[u8]) -> Result<Status, PkiError> {
        let Some((client, _)) = self.issued.iter().find(|(_, own)| *own == serial_number) else {
            return Ok(Status::Unknown);
        };
        Ok(self.read()?.get(*client).map_or(Status::Good, |since| Status::Revoked(*since)))
    }

    fn change(
        &self,
        client: &str,
        now: OffsetDateTime,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), PkiError> {
        if !self.issued.contains_key(client) {
            return Err(PkiError::NoClient(client.to_owned()));
        }
        let mut record = self.read()?;
        change(&mut record);
        let mut text = String::new();
        for (client, since) in record {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{client} {}", since.unix_timestamp());
        }
        replace(&self.record, text.as_bytes())?;
        self.sign_list(now)
    }

    fn read(&self) -> Result<Record, PkiError> {
        if !self.record.exists() {
            return Ok(Record::new());
        }
        let text = fs::read_to_string(&self.record)
            .map_err(|error| PkiError::File(self.record.clone(), error))?;
        let line = |line: &str| {
            let (client, since) = line.split_once(' ')?;
            let since = OffsetDateTime::from_unix_timestamp(since.parse().ok()?).ok()?;
            Some((client.to_owned(), since))
        };
        text.lines()
            .map(|text| line(text).ok_or_else(|| PkiError::NoRecord(self.record.clone())))
            .collect()
    }
}

/// Milliseconds since 1970, as a positive DER integer.
fn number(now: OffsetDateTime) -> [u8; 9] {
    let milliseconds = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    let mut octets = [0; 9];
    for (octet, own) in octets.iter_mut().skip(1).zip(milliseconds.to_be_bytes()) {
        *octet = own;
    }
    octets
}

/// How the authorizer is made to check the revocation of throwaway certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// By the list.
    Crl,
    /// By the responder.
    Ocsp,
}

/// The tables of a configuration that say so.
///
/// A copy of the list is never taken for current (`refresh = "0s"`), so that the call after a
/// revocation is denied. In a deployment that would ask the list's source at every call.
#[must_use]
pub fn tables(pki: &Pki, check: Check, responder: SocketAddr) -> String {
    let check = match check {
        Check::Crl => {
            let list = literal(pki.file("issuing.crl"));
            format!("check = [\"crl\"]\ncrls = [{list}]\n")
        }
        Check::Ocsp => format!("check = [\"ocsp\"]\nocsp_responder = \"http://{responder}\"\n"),
    };
    format!("{}\n[revocation]\n{check}refresh = \"0s\"\n", trust_table(pki))
}

/// The table that names the anchors of the throwaway PKI.
#[must_use]
pub fn trust_table(pki: &Pki) -> String {
    format!("[trust]\nanchors = [{}]\n", literal(pki.file("truststore.pem")))
}

/// A path as a TOML string.
fn literal(path: PathBuf) -> String {
    let path = std::path::absolute(&path).unwrap_or(path).display().to_string();
    let mut text = String::from("\"");
    for character in path.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            character if character.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(character));
            }
            character => text.push(character),
        }
    }
    text + "\""
}
