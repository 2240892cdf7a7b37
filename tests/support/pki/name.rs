//! Names and general names, in certificate order.

use super::der::*;

/// A name of one attribute an RDN, as UTF8String but for C, which is a PrintableString, and DC and emailAddress,
/// which are IA5Strings. Types are RFC 4514 short names or dotted.
pub fn name(attributes: &[(&str, &str)]) -> Der {
    let rdns: Vec<Der> =
        attributes.iter().map(|(kind, value)| rdn(&[attribute(kind, value)])).collect();
    sequence(&rdns)
}

/// `CN=common_name, O=Acme, C=US`: the name that the constructors give.
pub fn acme(common_name: &str) -> Der {
    name(&[("C", "US"), ("O", "Acme"), ("CN", common_name)])
}

/// A name of no RDN.
pub fn empty_name() -> Der {
    sequence::<Der>(&[])
}

/// One RDN of these attributes, sorted as DER demands.
pub fn rdn(attributes: &[Der]) -> Der {
    let mut sorted = attributes.to_vec();
    sorted.sort();
    set(&sorted)
}

/// An AttributeTypeAndValue with the usual string type.
pub fn attribute(kind: &str, value: &str) -> Der {
    let encoded = match kind {
        "C" => printable_string(value),
        "DC" | "emailAddress" => ia5_string(value),
        _ => utf8_string(value),
    };
    attribute_of(kind, &encoded)
}

/// An AttributeTypeAndValue with any value.
pub fn attribute_of(kind: &str, value: &[u8]) -> Der {
    let dotted = match kind {
        "CN" => "2.5.4.3",
        "SN" => "2.5.4.4",
        "serialNumber" => "2.5.4.5",
        "C" => "2.5.4.6",
        "L" => "2.5.4.7",
        "ST" => "2.5.4.8",
        "STREET" => "2.5.4.9",
        "O" => "2.5.4.10",
        "OU" => "2.5.4.11",
        "title" => "2.5.4.12",
        "GN" => "2.5.4.42",
        "UID" => "0.9.2342.19200300.100.1.1",
        "DC" => "0.9.2342.19200300.100.1.25",
        "emailAddress" => "1.2.840.113549.1.9.1",
        dotted => dotted,
    };
    sequence(&[oid(dotted), value.to_vec()])
}

/// GeneralName of each kind; the contents are taken as they are, so that they may be wrong.
pub fn other_name(type_id: &str, value: &[u8]) -> Der {
    explicit(0, &concat(&[oid(type_id), explicit(0, value)]))
}

pub fn email(address: &[u8]) -> Der {
    implicit(1, address)
}

pub fn dns(host: &[u8]) -> Der {
    implicit(2, host)
}

pub fn directory_name(name: &[u8]) -> Der {
    explicit(4, name)
}

pub fn uri(text: &[u8]) -> Der {
    implicit(6, text)
}

pub fn ip(octets: &[u8]) -> Der {
    implicit(7, octets)
}

pub fn registered_id(dotted: &str) -> Der {
    implicit(8, &oid(dotted)[2..])
}
