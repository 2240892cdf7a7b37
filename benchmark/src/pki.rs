//! A throwaway PKI for the growth curves: chains, anchors, names and revocation lists of any size.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use time::OffsetDateTime;

/// A client's certificate.
pub(crate) struct Leaf {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    /// The subject as RFC 4514 writes it.
    pub(crate) subject: String,
}

/// A CA that can issue.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

type Result<T> = std::result::Result<T, String>;

/// A self-signed CA.
pub(crate) fn root(name: &str) -> Result<Authority> {
    let (params, key) = (authority(name), key()?);
    let certificate = params.self_signed(&key).map_err(said)?;
    Ok(Authority { pem: certificate.pem(), issuer: Issuer::new(params, key) })
}

/// A CA below another.
pub(crate) fn intermediate(name: &str, above: &Authority) -> Result<Authority> {
    let (params, key) = (authority(name), key()?);
    let certificate = params.signed_by(&key, &above.issuer).map_err(said)?;
    Ok(Authority { pem: certificate.pem(), issuer: Issuer::new(params, key) })
}

/// A client's certificate with some DNS names, `san-1.acme.example` and on.
pub(crate) fn leaf(below: &Authority, dns_names: usize) -> Result<Leaf> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("orders");
    params.serial_number = Some(SerialNumber::from_slice(&[0x52, 0xf4, 0x31, 0xeb, 0xce]));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    for number in 1..=dns_names {
        let dns = format!("san-{number}.acme.example").try_into().map_err(said)?;
        params.subject_alt_names.push(SanType::DnsName(dns));
    }
    let certificate = params.signed_by(&key()?, &below.issuer).map_err(said)?;
    Ok(Leaf {
        pem: certificate.pem(),
        der: certificate.der().to_vec(),
        subject: "CN=orders,O=Acme,C=US".to_owned(),
    })
}

/// A revocation list of 16-byte serials, none of them the leaf's.
pub(crate) fn revocation_list(of: &Authority, entries: u64) -> Result<Vec<u8>> {
    let now = OffsetDateTime::now_utc();
    let day = Duration::from_secs(24 * 3600);
    let revoked = (0..entries).map(|entry| RevokedCertParams {
        // Spread out as random serials are, and the same in every run.
        serial_number: SerialNumber::from_slice(
            &(u128::from(entry + 1).wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15) >> 1)
                .to_be_bytes(),
        ),
        revocation_time: now - day,
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update: now - day,
        next_update: now + day * 30,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(&of.issuer).map_err(said)?.der().to_vec())
}

/// SHA-256 of a certificate in lower-case hex.
pub(crate) fn fingerprint(der: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn authority(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, "US");
    name.push(DnType::OrganizationName, "Acme");
    name.push(DnType::CommonName, common_name);
    name
}

fn key() -> Result<KeyPair> {
    KeyPair::generate().map_err(said)
}

fn said(error: rcgen::Error) -> String {
    error.to_string()
}
