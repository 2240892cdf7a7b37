//! PEM (RFC 7468): the text around certificates.
//!
//! Line ends of any kind, unwrapped base64 and text around the blocks are taken. A private key anywhere in
//! the text is refused, whatever else is there, and no error ever quotes the text.

use super::Malformed;

const BEGIN: &str = "-----BEGIN ";

/// The DER of the first block, which must be a `CERTIFICATE`; what follows it is not looked at.
///
/// # Errors
/// No block, a first block of another kind or that is not base64, or a private key anywhere.
pub fn first_certificate(text: &str) -> Result<Vec<u8>, Malformed> {
    refuse_private_keys(text)?;
    certificate(::pem::parse(text))
}

/// The DER of every block, each of which must be a `CERTIFICATE`; at least one.
///
/// # Errors
/// No block, a block of another kind, cut off or not base64, or a private key anywhere.
pub fn certificates(text: &str) -> Result<Vec<Vec<u8>>, Malformed> {
    refuse_private_keys(text)?;
    let blocks = ::pem::parse_many(text).map_err(|_| malformed("a PEM block is not base64"))?;
    // The parser stops without a word at a block that has no end.
    if blocks.len() != block_count(text) {
        return Err(malformed("a PEM block has no end"));
    }
    if blocks.is_empty() {
        return Err(malformed("there is no PEM block"));
    }
    blocks.into_iter().map(|block| certificate(Ok(block))).collect()
}

/// How many blocks a text begins.
#[must_use]
pub fn block_count(text: &str) -> usize {
    text.matches(BEGIN).count()
}

fn refuse_private_keys(text: &str) -> Result<(), Malformed> {
    if text.contains("PRIVATE KEY-----") {
        return Err(malformed("the PEM holds a private key where a certificate belongs"));
    }
    Ok(())
}

fn certificate(block: Result<::pem::Pem, ::pem::PemError>) -> Result<Vec<u8>, Malformed> {
    let block = block.map_err(|error| match error {
        ::pem::PemError::MalformedFraming | ::pem::PemError::MissingBeginTag => {
            malformed("there is no whole PEM block")
        }
        ::pem::PemError::MismatchedTags(..) => malformed("a PEM block begins and ends differently"),
        _ => malformed("a PEM block is not base64"),
    })?;
    if block.tag() != "CERTIFICATE" {
        return Err(malformed("a PEM block is not a CERTIFICATE"));
    }
    if block.headers().iter().next().is_some() {
        return Err(malformed("a PEM block has headers"));
    }
    Ok(block.into_contents())
}

fn malformed(rule: &'static str) -> Malformed {
    Malformed { rule, offset: None }
}
