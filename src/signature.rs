//! Stub.
use crate::der::{DerError, Element};
#[derive(Clone, Debug)]
pub struct PublicKey;
impl PublicKey {
    pub fn parse(_: Element<'_>) -> Result<Self, DerError> {
        Ok(Self)
    }
}
#[derive(Clone, Debug)]
pub struct SignatureAlgorithm;
impl SignatureAlgorithm {
    pub fn parse(_: Element<'_>) -> Result<Self, DerError> {
        Ok(Self)
    }
}
