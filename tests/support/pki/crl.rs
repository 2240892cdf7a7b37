//! Certificate revocation lists (RFC 5280, section 5).

use super::{der::*, extension::*, key::Key};

/// The fields of a CertificateList, each in DER. Optional ones that are `None` are left out, except where said.
#[derive(Clone, Debug)]
pub struct Crl {
    /// The INTEGER; `None` is v1.
    pub version: Option<Der>,
    /// The algorithm inside; `None`: the signer's.
    pub signature: Option<Der>,
    /// `None`: the signer's name.
    pub issuer: Option<Der>,
    pub this_update: Der,
    pub next_update: Option<Der>,
    /// Entries of [`revoked`] and [`revoked_with`]; `Some` of none writes an empty SEQUENCE, which RFC 5280 forbids.
    pub revoked: Option<Vec<Der>>,
    /// `Some` of none writes an empty SEQUENCE.
    pub extensions: Option<Vec<Der>>,
    /// The algorithm outside; `None`: the signer's.
    pub signature_algorithm: Option<Der>,
}

impl Crl {
    /// A v2 list of these entries with CRL number 1, from an hour ago to in an hour.
    pub fn of(entries: Vec<Der>) -> Self {
        Self {
            version: Some(number(1)),
            signature: None,
            issuer: None,
            this_update: time(NOW - HOUR),
            next_update: Some(time(NOW + HOUR)),
            revoked: Some(entries).filter(|entries| !entries.is_empty()),
            extensions: Some(vec![crl_number(1)]),
            signature_algorithm: None,
        }
    }

    /// A v1 list of these entries, which has neither a number nor other extensions.
    pub fn v1(entries: Vec<Der>) -> Self {
        Self { version: None, extensions: None, ..Self::of(entries) }
    }

    /// With this extension added at the end.
    #[must_use]
    pub fn with(mut self, extension: Der) -> Self {
        self.extensions.get_or_insert_default().push(extension);
        self
    }

    /// With this CRL number instead of 1.
    #[must_use]
    pub fn numbered(mut self, number: u64) -> Self {
        if let Some(first) = self.extensions.get_or_insert_default().first_mut() {
            *first = crl_number(number);
        }
        self
    }

    /// The TBSCertList.
    pub fn to_be_signed(&self, signer_name: &[u8], algorithm: &[u8]) -> Der {
        sequence(&[
            self.version.clone().unwrap_or_default(),
            self.signature.clone().unwrap_or(algorithm.to_vec()),
            self.issuer.clone().unwrap_or(signer_name.to_vec()),
            self.this_update.clone(),
            self.next_update.clone().unwrap_or_default(),
            self.revoked.as_ref().map(|entries| sequence(entries)).unwrap_or_default(),
            self.extensions.as_ref().map(|list| explicit(0, &sequence(list))).unwrap_or_default(),
        ])
    }

    /// The list, signed with `key` in the name of `signer_name`.
    pub fn signed_by(&self, signer_name: &[u8], key: &Key) -> Der {
        let algorithm = key.algorithm();
        let signed = self.to_be_signed(signer_name, &algorithm);
        let outer = self.signature_algorithm.clone().unwrap_or(algorithm);
        sequence(&[signed.clone(), outer, bit_string(&key.sign(&signed))])
    }
}

/// An entry for this serial number (contents octets), revoked yesterday, without extensions.
pub fn revoked(serial_number: &[u8]) -> Der {
    sequence(&[integer(serial_number), time(NOW - DAY)])
}

/// An entry with a date and extensions ([`reason`], [`certificate_issuer`]).
pub fn revoked_with(serial_number: &[u8], date: i64, extensions: &[Der]) -> Der {
    sequence(&[integer(serial_number), time(date), sequence(extensions)])
}

/// The fields of an IssuingDistributionPoint; [`IssuingDistributionPoint::extension`] makes the critical extension.
#[derive(Clone, Debug, Default)]
pub struct IssuingDistributionPoint {
    /// A DistributionPointName, such as [`full_name`] makes.
    pub distribution_point: Option<Der>,
    pub only_contains_user_certs: bool,
    pub only_contains_ca_certs: bool,
    /// Bits of ReasonFlags.
    pub only_some_reasons: Option<Vec<usize>>,
    pub indirect_crl: bool,
    pub only_contains_attribute_certs: bool,
}

impl IssuingDistributionPoint {
    /// A distribution point whose full name is this URI.
    pub fn at(uri: &str) -> Self {
        let distribution_point = Some(full_name(&[super::uri(uri.as_bytes())]));
        Self { distribution_point, ..Self::default() }
    }

    /// The critical extension.
    pub fn extension(&self) -> Der {
        let flag = |number: u8, set: bool| if set { implicit(number, &[0xff]) } else { Der::new() };
        let name = self.distribution_point.as_ref().map(|name| explicit(0, name));
        let reasons =
            self.only_some_reasons.as_ref().map(|bits| implicit(3, &named_bits(bits)[2..]));
        let value = sequence(&[
            name.unwrap_or_default(),
            flag(1, self.only_contains_user_certs),
            flag(2, self.only_contains_ca_certs),
            reasons.unwrap_or_default(),
            flag(4, self.indirect_crl),
            flag(5, self.only_contains_attribute_certs),
        ]);
        critical("2.5.29.28", &value)
    }
}
