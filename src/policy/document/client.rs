//! `[[client]]`: conditions, routes and what goes along.

use std::collections::HashMap;

use crate::{
    certificate::name::{CanonicalName, parse_rfc4514, short_name_oid},
    der::Oid,
    hex,
    policy::{
        client::{Client, Condition, Digests, UsagePlanKey},
        pattern::{Network, Pattern, PatternFault, ValueKind, Values},
        route::{METHODS, RoutePattern, Routes},
    },
};

use super::{
    tree::Value,
    walk::{Findings, Label, Node, Section},
};

/// What a client's rules depend on beyond its own table.
pub(super) struct Surroundings<'a> {
    pub(super) has_anchors: bool,
    pub(super) has_token: bool,
    /// Context keys that are filled from claims.
    pub(super) claim_keys: Vec<&'a str>,
}

/// Reads a client; `None` where a fault leaves nothing to go by.
pub(super) fn read(
    number: usize,
    node: &Node<'_>,
    surroundings: &Surroundings<'_>,
) -> Option<Client> {
    let Some(table) = node.value.as_table() else {
        node.expected("a table: `[[client]]`");
        return None;
    };
    let id = table.value("id").and_then(Value::as_str);
    let label = id.map_or(Label::NumberedClient(number), Label::Client);
    let section = Section::new(node.findings, table, node.offset, label);
    let id = read_id(&section);
    let conditions = read_conditions(&section, surroundings);
    let routes = read_routes(&section);
    let context = read_context(&section, surroundings);
    let usage_plan_key = section.take("usage_plan_key").and_then(|node| read_usage_plan_key(&node));
    let line = section.findings.line(section.offset);
    section.finish();
    let (id, conditions, routes) = (id?, conditions?.into(), routes?);
    Some(Client { id, conditions, routes, context, usage_plan_key, line })
}

fn read_id(section: &Section<'_>) -> Option<String> {
    let Some(node) = section.take("id") else {
        section.missing("id", "a client needs a name for the backend and the log");
        return None;
    };
    let id = node.text()?;
    if !printable(id) || id.trim() != id {
        node.fault("must be printable ASCII, without spaces at its ends: it is sent as a header");
        return None;
    }
    Some(id.to_owned())
}

fn printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

fn read_usage_plan_key(node: &Node<'_>) -> Option<UsagePlanKey> {
    let key = node.text()?;
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        node.fault("an API key is printable ASCII without spaces");
        return None;
    }
    Some(UsagePlanKey(key.to_owned()))
}

/// All conditions, or `None` where one of them is at fault: a client must not match by the others alone.
fn read_conditions(
    section: &Section<'_>,
    surroundings: &Surroundings<'_>,
) -> Option<Vec<Condition>> {
    let mut reader = Reader { conditions: Vec::with_capacity(1), sound: true };
    reader.attributes(section, "subject", Condition::Subject);
    reader.add(section, "subject_dn", |node| names(node).map(Condition::SubjectName));
    let issuer_from = reader.conditions.len();
    reader.attributes(section, "issuer", Condition::Issuer);
    reader.add(section, "issuer_dn", |node| names(node).map(Condition::IssuerName));
    if !surroundings.has_anchors && reader.conditions.len() > issuer_from {
        for key in ["issuer", "issuer_dn"] {
            if let Some(node) = section.take(key) {
                node.warn(
                    "without [trust] anchors, any authority of the trust store may call itself so",
                );
            }
        }
    }
    reader.add(section, "issuer_public_key", |node| {
        if !surroundings.has_anchors {
            node.fault("needs [trust] anchors: whose key it is shows when the path is verified");
        }
        digests(node).map(Condition::IssuerPublicKey)
    });
    reader.add(section, "serial_number", |node| {
        if !surroundings.has_anchors {
            node.warn("without [trust] anchors, any authority of the trust store may give out this number under this name");
        }
        serial_numbers(node).map(Condition::SerialNumber)
    });
    reader.add(section, "fingerprint", |node| digests(node).map(Condition::Fingerprint));
    reader.add(section, "public_key", |node| digests(node).map(Condition::PublicKey));
    reader.add(section, "san_dns", |node| values(node, ValueKind::Dns).map(Condition::SanDns));
    reader.add(section, "san_uri", |node| values(node, ValueKind::Uri).map(Condition::SanUri));
    reader
        .add(section, "san_email", |node| values(node, ValueKind::Email).map(Condition::SanEmail));
    reader.add(section, "san_ip", |node| networks(node).map(Condition::SanIp));
    let about_certificate = !reader.conditions.is_empty() || !reader.sound;
    reader.token(section, surroundings);
    reader.any(section, about_certificate);
    let Reader { conditions, sound } = reader;
    let has = |test: fn(&Condition) -> bool| conditions.iter().any(test);
    if sound
        && has(|condition| matches!(condition, Condition::SerialNumber(_)))
        && !has(Condition::is_about_issuer)
        && let Some(node) = section.take("serial_number")
    {
        node.fault(
            "needs an issuer condition beside it: serial numbers are unique for one issuer alone",
        );
        return None;
    }
    sound.then_some(conditions)
}

struct Reader {
    conditions: Vec<Condition>,
    /// Whether every condition that is written could be read.
    sound: bool,
}

impl Reader {
    fn add(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        read: impl FnOnce(&Node<'_>) -> Option<Condition>,
    ) {
        let Some(node) = section.take(key) else { return };
        match read(&node) {
            Some(condition) => self.conditions.push(condition),
            None => self.sound = false,
        }
    }

    fn attributes(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        condition: fn(Vec<u8>, Values) -> Condition,
    ) {
        let Some(node) = section.take(key) else { return };
        let Some(table) = node.table() else {
            self.sound = false;
            return;
        };
        if table.is_empty() {
            node.fault("must not be empty: name at least one attribute");
            self.sound = false;
        }
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for (name, offset, node) in table.entries() {
            let oid = match attribute_type(name, &node) {
                Ok(oid) => oid,
                Err(rule) => {
                    section.findings.fault(offset, &node.place.to_string(), rule);
                    self.sound = false;
                    continue;
                }
            };
            if seen.contains(&oid) {
                section.findings.fault(
                    offset,
                    &node.place.to_string(),
                    "the attribute stands here twice",
                );
                self.sound = false;
            }
            seen.push(oid.clone());
            match values(&node, ValueKind::Text) {
                Some(values) => self.conditions.push(condition(oid, values)),
                None => self.sound = false,
            }
        }
    }

    fn token(&mut self, section: &Section<'_>, surroundings: &Surroundings<'_>) {
        let Some(node) = section.take("token") else { return };
        if !surroundings.has_token {
            node.fault("needs the section [token], which says whose tokens are accepted");
        }
        let Some(table) = node.table() else {
            self.sound = false;
            return;
        };
        if table.is_empty() {
            node.fault("must not be empty: name at least one claim");
            self.sound = false;
        }
        for (claim, offset, node) in table.entries() {
            if claim.is_empty() {
                section.findings.fault(
                    offset,
                    &node.place.to_string(),
                    "the name of a claim must not be empty",
                );
                self.sound = false;
            }
            match values(&node, ValueKind::Text) {
                Some(values) => self.conditions.push(Condition::Token(claim.to_owned(), values)),
                None => self.sound = false,
            }
        }
    }

    fn any(&mut self, section: &Section<'_>, about_certificate: bool) {
        let Some(node) = section.take("any") else {
            if !about_certificate {
                section.fault("no condition on the certificate; `any = true` says that every certificate will do");
                self.sound = false;
            }
            return;
        };
        match node.boolean() {
            Some(true) if about_certificate => {
                node.fault(
                    "stands beside another condition on the certificate; it is one or the other",
                );
            }
            Some(true) => return,
            Some(false) => node.fault("there is only `any = true`; leave it out"),
            None => {}
        }
        self.sound = false;
    }
}

/// Names of attribute types that people know, and what to write.
const OTHER_NAMES: [(&str, &str); 33] = [
    ("commonName", "CN"),
    ("organizationName", "O"),
    ("organization", "O"),
    ("organizationalUnitName", "OU"),
    ("organizationalUnit", "OU"),
    ("countryName", "C"),
    ("country", "C"),
    ("stateOrProvinceName", "ST"),
    ("S", "ST"),
    ("localityName", "L"),
    ("locality", "L"),
    ("streetAddress", "STREET"),
    ("domainComponent", "DC"),
    ("userId", "UID"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
    ("E", "1.2.840.113549.1.9.1"),
    ("serialNumber", "2.5.4.5"),
    ("surname", "2.5.4.4"),
    ("SN", "2.5.4.4"),
    ("givenName", "2.5.4.42"),
    ("GN", "2.5.4.42"),
    ("title", "2.5.4.12"),
    ("T", "2.5.4.12"),
    ("description", "2.5.4.13"),
    ("businessCategory", "2.5.4.15"),
    ("postalCode", "2.5.4.17"),
    ("name", "2.5.4.41"),
    ("initials", "2.5.4.43"),
    ("generationQualifier", "2.5.4.44"),
    ("dnQualifier", "2.5.4.46"),
    ("pseudonym", "2.5.4.65"),
    ("organizationIdentifier", "2.5.4.97"),
    ("unstructuredName", "1.2.840.113549.1.9.2"),
];

fn attribute_type(name: &str, node: &Node<'_>) -> Result<Vec<u8>, String> {
    if let Some(oid) = short_name_oid(name) {
        return Ok(oid.octets().to_vec());
    }
    if let Some(octets) = Oid::parse_dotted(name) {
        return Ok(octets);
    }
    let shown = name.escape_debug();
    if let Some((_, instead)) =
        OTHER_NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
    {
        return Err(match short_name_oid(instead) {
            Some(_) => format!("`{shown}` is written `{instead}`, its short name in RFC 4514"),
            None => format!("`{shown}` has no short name in RFC 4514; write \"{instead}\""),
        });
    }
    if !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_digit())
        && node.value.as_table().is_some()
    {
        return Err("write a dotted identifier in quotes, such as \"2.5.4.5\"".to_owned());
    }
    Err(format!(
        "`{shown}` is neither a short name of RFC 4514 (CN, L, ST, O, OU, C, STREET, DC, UID) nor a dotted identifier in quotes"
    ))
}

/// A string, a pattern, or an array of them; `None` after a fault.
fn values(node: &Node<'_>, kind: ValueKind) -> Option<Values> {
    let mut values = Values::new(kind);
    let mut sound = true;
    for member in one_or_more(node)? {
        sound &= add_value(&mut values, &member, kind);
    }
    sound.then_some(values)
}

/// The members of an array that is not empty, or the value itself.
fn one_or_more<'a>(node: &Node<'a>) -> Option<Vec<Node<'a>>> {
    if node.value.as_array().is_none() {
        return Some(vec![node.clone()]);
    }
    let members = node.members()?;
    if members.is_empty() {
        node.fault("must not be empty: an empty array matches nobody");
        return None;
    }
    Some(members)
}

fn add_value(values: &mut Values, node: &Node<'_>, kind: ValueKind) -> bool {
    if let Some(text) = node.value.as_str() {
        if text.contains('*') {
            node.warn(wildcard_warning(text, kind));
        }
        return report(node, values.add_exact(text));
    }
    if node.value.as_table().is_none() {
        node.expected("a string, or one of { prefix = … }, { suffix = … }, { regex = … }");
        return false;
    }
    let Some(table) = node.table() else { return false };
    let (prefix, suffix, regex) = (table.take("prefix"), table.take("suffix"), table.take("regex"));
    let mut sound = true;
    match [&prefix, &suffix, &regex].into_iter().flatten().count() {
        1 => {}
        0 => {
            node.fault("must not be empty: one of { prefix = … }, { suffix = … }, { regex = … }");
            sound = false;
        }
        _ => {
            node.fault("holds several patterns; write each by itself, in an array");
            sound = false;
        }
    }
    type Add = fn(&mut Values, &str) -> Result<(), PatternFault>;
    let patterns: [(Option<Node<'_>>, Add); 3] =
        [(prefix, Values::add_prefix), (suffix, Values::add_suffix), (regex, Values::add_regex)];
    for (node, add) in patterns {
        let Some(node) = node else { continue };
        sound &= node.string().is_some_and(|text| report(&node, add(values, text)));
        if let Some(Pattern::Regex(regex)) = values.patterns().last()
            && regex.seems_to_match_everything()
        {
            node.warn(
                "the regex seems to match every value; the condition asks for hardly anything",
            );
        }
    }
    table.finish();
    sound
}

fn wildcard_warning(text: &str, kind: ValueKind) -> String {
    match text.strip_prefix('*') {
        Some(domain) if kind == ValueKind::Dns && domain.starts_with('.') => format!(
            "`*` is data: this matches a certificate for `{text}`, not names under it; for these, write {{ suffix = \"{domain}\" }}"
        ),
        _ => format!("`*` is data, not a wildcard: this matches `{text}` to the letter"),
    }
}

fn report(node: &Node<'_>, result: Result<(), PatternFault>) -> bool {
    if let Err(fault) = &result {
        node.fault(fault.to_string());
    }
    result.is_ok()
}

/// Reads the strings of a condition that knows no patterns.
fn each_string<T>(
    node: &Node<'_>,
    what: &str,
    mut read: impl FnMut(&str) -> Result<T, String>,
) -> Option<Vec<T>> {
    let mut read_all = Vec::new();
    let mut sound = true;
    for member in one_or_more(node)? {
        let Some(text) = member.value.as_str() else {
            member.expected(what);
            sound = false;
            continue;
        };
        match read(text) {
            Ok(value) => read_all.push(value),
            Err(rule) => {
                member.fault(rule);
                sound = false;
            }
        }
    }
    sound.then_some(read_all)
}

fn names(node: &Node<'_>) -> Option<Vec<CanonicalName>> {
    each_string(node, "a whole name as a string", |text| {
        parse_rfc4514(text)
            .map_err(|error| format!("`{}` is no name of RFC 4514: {error}", text.escape_debug()))
    })
}

fn digests(node: &Node<'_>) -> Option<Digests> {
    each_string(node, "a string `sha256:<hex>`", digest).map(Digests::new)
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    let shown = text.escape_debug();
    let Some(digits) = text.strip_prefix("sha256:") else {
        let plain: String = text.chars().filter(|character| *character != ':').collect();
        return Err(match hex::octets(&plain).map(|octets| octets.len()) {
            Some(32) => format!("`{shown}` does not say its hash; write `sha256:{shown}`"),
            Some(20) => {
                format!("`{shown}` looks like SHA-1; only SHA-256 is taken: `sha256:<hex>`")
            }
            _ => format!("`{shown}` is not of the form `sha256:<hex>`"),
        });
    };
    let plain: String = digits.chars().filter(|character| *character != ':').collect();
    hex::octets(&plain)
        .and_then(|octets| <[u8; 32]>::try_from(octets).ok())
        .ok_or_else(|| format!("`{shown}` is not `sha256:` and 64 hex digits"))
}

fn serial_numbers(node: &Node<'_>) -> Option<Vec<Vec<u8>>> {
    each_string(node, "a string of hex digits", |text| {
        let digits: String = text.chars().filter(|character| *character != ':').collect();
        hex::magnitude(&digits).ok_or_else(|| {
            format!("`{}` is not hex digits, with or without colons", text.escape_debug())
        })
    })
}

fn networks(node: &Node<'_>) -> Option<Vec<Network>> {
    each_string(node, "an IP address or network as a string", |text| {
        Network::parse(text).map_err(|fault| fault.to_string())
    })
}

fn read_routes(section: &Section<'_>) -> Option<Routes> {
    let (allow_node, deny_node) = (section.take("allow"), section.take("deny"));
    if allow_node.is_none() {
        section.missing("allow", "write what the client may call, or \"*\" for all");
    }
    // Either list is read whatever is wrong with the other: all faults are told at once.
    let allow_nodes = allow_node.as_ref().and_then(Node::members_or_self);
    let deny_nodes = match &deny_node {
        Some(node) => node.members_or_self(),
        None => Some(Vec::new()),
    };
    let allow = allow_nodes.as_deref().and_then(routes);
    let deny = deny_nodes.as_deref().and_then(routes);
    let (allow_node, deny_nodes) = (allow_node?, deny_nodes?);
    match Routes::new(allow?, deny?) {
        Ok(routes) => {
            for (denied, node) in routes.deny().iter().zip(&deny_nodes) {
                warn_of_evasion(&routes, denied, node);
            }
            Some(routes)
        }
        Err(fault) => {
            allow_node.fault(fault.to_string());
            None
        }
    }
}

/// A route for each node; `None` after a fault.
fn routes(nodes: &[Node<'_>]) -> Option<Vec<RoutePattern>> {
    let mut routes = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Some(text) = node.string() else { continue };
        match RoutePattern::parse(text) {
            Ok(route) => routes.push(route),
            Err(fault) => node.fault(fault.to_string()),
        }
    }
    (routes.len() == nodes.len()).then_some(routes)
}

/// Warns of a denied route where something under a wider allowed one is the same to a backend, and is not denied.
fn warn_of_evasion(routes: &Routes, denied: &RoutePattern, node: &Node<'_>) {
    let by_path = |allowed: &&RoutePattern| {
        allowed.is_greedy() && allowed.overlaps(denied) && !denied.covers_paths_of(allowed)
    };
    let by_method =
        |allowed: &&RoutePattern| allowed.admits_other_methods() && !denied.admits_other_methods();
    let find = |evadable: &dyn Fn(&&RoutePattern) -> bool| routes.allow().iter().find(evadable);
    if let Some(allowed) = find(&by_path) {
        node.warn(format!(
            "`{denied}` denies exact text under the wider `{allowed}`: `//` or `%61` in a path evade it where the backend takes them for the same"
        ));
    }
    if let Some(allowed) = find(&by_method) {
        node.warn(format!(
            "under the wider `{allowed}`, a method that is none of {} is not denied at all",
            METHODS.join(", ")
        ));
    }
}

/// Keys that are the authorizer's own, or that API Gateway knows.
const RESERVED: [&str; 6] =
    ["clientId", "identityToken", "denyReason", "principalId", "integrationLatency", "claims"];

/// The rule that a context key breaks, if any.
pub(super) fn context_key_fault(key: &str, from_claim: bool) -> Option<String> {
    let shown = key.escape_debug();
    let mut octets = key.bytes();
    let sound = octets.next().is_some_and(|first| first.is_ascii_alphabetic())
        && octets.all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    if !sound {
        return Some(format!(
            "`{shown}` is no context key; these are letters, digits and `_`, a letter first"
        ));
    }
    if RESERVED.contains(&key) || key.starts_with("clientCert") {
        return Some(format!("`{shown}` is reserved"));
    }
    if key.starts_with("token") && !from_claim {
        return Some(format!("`{shown}` is reserved: `token…` is for [token] claims"));
    }
    None
}

fn read_context(section: &Section<'_>, surroundings: &Surroundings<'_>) -> Vec<(String, String)> {
    let Some(table) = section.take("context").and_then(|node| node.table()) else {
        return Vec::new();
    };
    let mut context = Vec::new();
    for (key, offset, node) in table.entries() {
        if let Some(rule) = context_key_fault(key, false) {
            section.findings.fault(offset, &node.place.to_string(), rule);
        } else if surroundings.claim_keys.contains(&key) {
            let rule = format!("`{key}` is filled from a claim already, by [token] claims");
            section.findings.fault(offset, &node.place.to_string(), rule);
        }
        if let Some(value) = context_value(&node) {
            context.push((key.to_owned(), value));
        }
    }
    context
}

fn context_value(node: &Node<'_>) -> Option<String> {
    match node.value {
        Value::String(text) if printable(text) => Some(text.to_string()),
        Value::String(_) => {
            node.fault("must be printable ASCII: it is sent as a header");
            None
        }
        Value::Integer(_) => node.integer().map(|number| number.to_string()),
        Value::Float(number) if number.is_finite() => Some(number.to_string()),
        Value::Float(_) => {
            node.fault("must be a finite number");
            None
        }
        Value::Boolean(value) => Some(value.to_string()),
        _ => {
            node.expected("a string, a number, `true` or `false`");
            None
        }
    }
}

/// Warnings that take all clients together; each comes with where it begins.
pub(super) fn warn_of_order(clients: &[(usize, Client)], findings: &Findings<'_>) {
    let mut seen = HashMap::with_capacity(clients.len());
    let mut catch_all: Option<&Client> = None;
    for (offset, client) in clients {
        let path = || Label::Client(&client.id).to_string();
        if let Some(line) = seen.insert(client.id.as_str(), client.line) {
            let rule = format!("the id is that of line {line} too; the log can't tell them apart");
            findings.warn(*offset, &path(), rule);
        }
        if let Some(any) = catch_all {
            let rule = format!(
                "never reached: `{}` in line {} matches every certificate",
                any.id, any.line
            );
            findings.warn(*offset, &path(), rule);
        } else if client.conditions.is_empty() {
            catch_all = Some(client);
        }
    }
}
