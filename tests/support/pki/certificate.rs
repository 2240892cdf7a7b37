//! Certificates (RFC 5280, section 4) and the authorities that issue them.

use super::{crl::Crl, der::*, extension::*, key::Key, name::acme, ocsp::OcspResponse};

/// The fields of a certificate, each in DER. Optional ones that are `None` are left out, except where said.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The `[0]` element; `None` is v1.
    pub version: Option<Der>,
    pub serial_number: Der,
    /// The algorithm inside; `None`: the signer's.
    pub signature: Option<Der>,
    /// `None`: the signer's name.
    pub issuer: Option<Der>,
    pub not_before: Der,
    pub not_after: Der,
    pub subject: Der,
    /// The SubjectPublicKeyInfo.
    pub public_key: Der,
    /// The `[1]` element.
    pub issuer_unique_id: Option<Der>,
    /// The `[2]` element.
    pub subject_unique_id: Option<Der>,
    /// Extensions; `Some` of none writes an empty SEQUENCE.
    pub extensions: Option<Vec<Der>>,
    /// The algorithm outside; `None`: the signer's.
    pub signature_algorithm: Option<Der>,
}

impl Certificate {
    /// A client's: `CN=common_name, O=Acme, C=US`, v3, clientAuth, one DNS and one URI name.
    pub fn leaf(common_name: &str, key: &Key) -> Self {
        Self {
            extensions: Some(vec![
                not_ca(),
                key_usage(&[DIGITAL_SIGNATURE]),
                extended_key_usage(&[CLIENT_AUTH]),
                subject_alt_name(&[
                    super::dns(format!("{}.acme.example", host(common_name)).as_bytes()),
                    super::uri(format!("spiffe://acme/{}", host(common_name)).as_bytes()),
                ]),
            ]),
            ..Self::bare(common_name, key)
        }
    }

    /// A CA's, of this path length.
    pub fn ca(common_name: &str, key: &Key, path_length: Option<u64>) -> Self {
        Self {
            extensions: Some(vec![
                ca(path_length),
                key_usage(&[KEY_CERT_SIGN, CRL_SIGN]),
                subject_key_id(&key.id()),
            ]),
            ..Self::bare(common_name, key)
        }
    }

    /// An X.509 v1 certificate, as `openssl x509 -req` makes it without an extension file.
    pub fn v1(common_name: &str, key: &Key) -> Self {
        Self { version: None, extensions: None, ..Self::bare(common_name, key) }
    }

    /// An OCSP signer's, for delegated answers.
    pub fn ocsp_signer(common_name: &str, key: &Key) -> Self {
        Self {
            extensions: Some(vec![
                not_ca(),
                key_usage(&[DIGITAL_SIGNATURE]),
                extended_key_usage(&[OCSP_SIGNING]),
                ocsp_no_check(),
            ]),
            ..Self::bare(common_name, key)
        }
    }

    /// v3 without extensions, with a serial number that depends on the name alone.
    fn bare(common_name: &str, key: &Key) -> Self {
        let mut serial_number = sha256(common_name.as_bytes())[..16].to_vec();
        serial_number[0] = serial_number[0] & 0x3f | 0x40;
        Self {
            version: Some(explicit(0, &number(2))),
            serial_number: integer(&serial_number),
            signature: None,
            issuer: None,
            not_before: time(NOW - YEAR),
            not_after: time(NOW + YEAR),
            subject: acme(common_name),
            public_key: key.public_key(),
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: None,
            signature_algorithm: None,
        }
    }

    /// With this extension added at the end.
    #[must_use]
    pub fn with(mut self, extension: Der) -> Self {
        self.extensions.get_or_insert_default().push(extension);
        self
    }

    /// Without the extensions of this type.
    #[must_use]
    pub fn without(mut self, dotted: &str) -> Self {
        let id = oid(dotted);
        let is_other =
            |extension: &Der| !extension.windows(id.len()).take(5).any(|window| window == id);
        self.extensions.get_or_insert_default().retain(is_other);
        self
    }

    /// The TBSCertificate.
    pub fn to_be_signed(&self, signer_name: &[u8], algorithm: &[u8]) -> Der {
        let extensions = self.extensions.as_ref().map(|list| explicit(3, &sequence(list)));
        sequence(&[
            self.version.clone().unwrap_or_default(),
            self.serial_number.clone(),
            self.signature.clone().unwrap_or(algorithm.to_vec()),
            self.issuer.clone().unwrap_or(signer_name.to_vec()),
            sequence(&[&self.not_before, &self.not_after]),
            self.subject.clone(),
            self.public_key.clone(),
            self.issuer_unique_id.clone().unwrap_or_default(),
            self.subject_unique_id.clone().unwrap_or_default(),
            extensions.unwrap_or_default(),
        ])
    }

    /// The certificate, signed with `key` in the name of `signer_name`.
    pub fn signed_by(&self, signer_name: &[u8], key: &Key) -> Der {
        let algorithm = key.algorithm();
        let signed = self.to_be_signed(signer_name, &algorithm);
        let outer = self.signature_algorithm.clone().unwrap_or(algorithm);
        sequence(&[signed.clone(), outer, bit_string(&key.sign(&signed))])
    }

    /// The certificate, signed with its own key in its own name.
    pub fn self_signed(&self, key: &Key) -> Der {
        self.signed_by(&self.subject, key)
    }
}

fn host(common_name: &str) -> String {
    common_name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// Whoever signs: a name, a key, and a certificate for both.
#[derive(Debug)]
pub struct Authority {
    pub name: Der,
    pub key: Key,
    pub certificate: Der,
}

impl Authority {
    /// A self-signed root, `CN=common_name, O=Acme, C=US`, with an Ed25519 key derived from that name.
    pub fn root(common_name: &str) -> Self {
        Self::root_with(common_name, Key::ed25519(common_name))
    }

    /// A self-signed root with this key.
    pub fn root_with(common_name: &str, key: Key) -> Self {
        let certificate = Certificate::ca(common_name, &key, None).self_signed(&key);
        Self { name: acme(common_name), key, certificate }
    }

    /// An intermediate CA below this one, with an Ed25519 key derived from its name.
    pub fn intermediate(&self, common_name: &str) -> Self {
        self.intermediate_with(Key::ed25519(common_name), |key| {
            Certificate::ca(common_name, key, None)
        })
    }

    /// An authority below this one, from a certificate that may be anything.
    pub fn intermediate_with(
        &self,
        key: Key,
        certificate: impl FnOnce(&Key) -> Certificate,
    ) -> Self {
        let certificate = certificate(&key);
        let der = self.issue(certificate.clone());
        Self { name: certificate.subject, key, certificate: der }
    }

    /// A certificate signed by this authority.
    pub fn issue(&self, certificate: Certificate) -> Der {
        certificate.signed_by(&self.name, &self.key)
    }

    /// A revocation list signed by this authority.
    pub fn revoke(&self, list: Crl) -> Der {
        list.signed_by(&self.name, &self.key)
    }

    /// An OCSP answer signed by this authority.
    pub fn answer(&self, response: OcspResponse) -> Der {
        response.signed_by(&self.key)
    }
}
