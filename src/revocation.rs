//! Whether a certificate has been revoked by its issuer. Pure: bytes and instants in, verdicts out.

pub mod crl;
pub mod ocsp;

use crate::decision::Evidence;

/// How long a list or an answer without a `nextUpdate` serves, from its `thisUpdate`: seven days, in seconds.
const SERVES_WITHOUT_NEXT_UPDATE: i64 = 7 * 24 * 60 * 60;

/// What was found out about the certificates of a path that are to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Each of them is shown not to be revoked.
    NotRevoked(Evidence),
    /// One of them is revoked.
    Revoked(Evidence),
    /// About one of them nothing can be known.
    Unknown(Evidence),
}
