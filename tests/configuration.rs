//! The configuration document: what is accepted, and every fault, as text.

#![cfg(feature = "network")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::{collections::HashMap, path::PathBuf, time::Duration};

use mtls_authorizer::{
    policy::{
        Configuration, Document, Faults,
        configuration::{Forward, HttpApiAnswer, Presentation, RevocationMethod, TokenAlgorithm},
    },
    source::Base,
};

const CLIENT: &str = "[[client]]\nid = \"c\"\nfingerprint = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"\nallow = [\"*\"]\n";

fn parse_in(text: &str, environment: &[(&str, &str)]) -> Result<Configuration, Faults> {
    let environment: HashMap<&str, &str> = environment.iter().copied().collect();
    let base = Base::Directory(PathBuf::from("/etc/authorizer"));
    Configuration::parse(Document {
        name: "authorizer.toml",
        text,
        base: &base,
        environment: &environment,
    })
}

fn parse(text: &str) -> Result<Configuration, Faults> {
    parse_in(text, &[])
}

#[track_caller]
fn faults(text: &str) -> Vec<String> {
    parse(text).expect_err(text).0.iter().map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    let configuration = parse(text).unwrap_or_else(|faults| panic!("{faults}"));
    configuration.warnings.iter().map(ToString::to_string).collect()
}

/// Asserts that a text has exactly these faults.
#[track_caller]
fn assert_faults(text: &str, expected: &[&str]) {
    assert_eq!(faults(text), expected, "{text}");
}

#[track_caller]
fn accepted(text: &str) -> Configuration {
    parse(text).unwrap_or_else(|faults| panic!("{text}\n{faults}"))
}

#[test]
fn the_default_document_and_the_samples_are_valid() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("authorizer.toml")];
    for entry in std::fs::read_dir(root.join("events")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            documents.push(path);
        }
    }
    assert!(documents.len() > 5);
    for path in documents {
        let text = std::fs::read_to_string(&path).unwrap();
        accepted(&text);
    }
}

#[test]
fn an_empty_document_is_valid_and_admits_nobody() {
    let configuration = accepted("");
    assert!(configuration.policy.clients().is_empty());
    assert_eq!(configuration.presentation, Presentation::ApiGateway);
    assert_eq!(configuration.forward, Forward::DEFAULT);
    assert_eq!(warnings(""), ["authorizer.toml: there is no [[client]], so nobody is allowed"]);
}

#[test]
fn every_fault_is_reported_at_once_with_place_key_and_rule() {
    let text = r#"
[certificate]
clock_skew = "10m"
max_validty = "398d"

[[client]]
id = "orders"
subject = { CN = "", emailAddress = "a@b" }
allow = ["get /orders", "GET orders"]

[[client]]
fingerprint = "AB"
alow = ["*"]
"#;
    assert_faults(
        text,
        &[
            "authorizer.toml:3:14: [certificate]: clock_skew: is over 5m; clocks that differ so much are to be set",
            "authorizer.toml:4:1: [certificate]: unknown key `max_validty`; did you mean `max_validity`?",
            "authorizer.toml:8:18: [[client]] `orders`: subject.CN: an exact value must not be empty",
            "authorizer.toml:8:22: [[client]] `orders`: subject.emailAddress: `emailAddress` has no short name in RFC 4514; write \"1.2.840.113549.1.9.1\"",
            "authorizer.toml:9:10: [[client]] `orders`: allow: the method `get` is written in upper case: `GET`",
            "authorizer.toml:9:25: [[client]] `orders`: allow: the path `orders` does not begin with `/`; all paths are `/*`",
            "authorizer.toml:11:1: [[client]] number 2: id: missing; a client needs a name for the backend and the log",
            "authorizer.toml:11:1: [[client]] number 2: allow: missing; write what the client may call, or \"*\" for all",
            "authorizer.toml:12:15: [[client]] number 2: fingerprint: `AB` is not of the form `sha256:<hex>`",
            "authorizer.toml:13:1: [[client]] number 2: unknown key `alow`; did you mean `allow`?",
        ],
    );
}

#[test]
fn unknown_keys_are_refused_everywhere() {
    for (text, fault) in [
        (
            "[certificat]\n",
            "authorizer.toml:1:2: unknown section `certificat`; did you mean `certificate`?",
        ),
        ("[zzz]\n", "authorizer.toml:1:2: unknown section `zzz`"),
        (
            "clients = []\n",
            "authorizer.toml:1:1: unknown section `clients`; did you mean `client`?",
        ),
        ("[source]\nx = 1\n", "authorizer.toml:2:1: [source]: unknown key `x`"),
        ("[certificate]\nx = 1\n", "authorizer.toml:2:1: [certificate]: unknown key `x`"),
        (
            "[trust]\nanchors = [\"a\"]\nanchor = []\n",
            "authorizer.toml:3:1: [trust]: unknown key `anchor`; did you mean `anchors`?",
        ),
        ("[revocation]\nx = 1\n", "authorizer.toml:2:1: [revocation]: unknown key `x`"),
        ("[forward]\nx = 1\n", "authorizer.toml:2:1: [forward]: unknown key `x`"),
        ("[response]\nx = 1\n", "authorizer.toml:2:1: [response]: unknown key `x`"),
        ("[log]\nx = 1\n", "authorizer.toml:2:1: [log]: unknown key `x`"),
        (
            "[[client]]\nid = \"c\"\nany = true\nallow = [\"*\"]\ncontexts = {}\n",
            "authorizer.toml:5:1: [[client]] `c`: unknown key `contexts`; did you mean `context`?",
        ),
        (
            "[[client]]\nid = \"c\"\nsubject = { CN = { prefx = \"a\", prefix = \"b\" } }\nallow = [\"*\"]\n",
            "authorizer.toml:3:20: [[client]] `c`: unknown key `subject.CN.prefx`; did you mean `subject.CN.prefix`?",
        ),
        (
            "[source]\nkind = \"alb-verify\"\nvpc_endpoints = [\"vpce-1\"]\nheaders = { leef = \"X-A\" }\n",
            "authorizer.toml:4:13: [source]: unknown key `headers.leef`; did you mean `headers.leaf`?",
        ),
    ] {
        assert_faults(text, &[fault]);
    }
    for section in ["token", "identity_token"] {
        let text = format!("[{section}]\nxyz = 1\n");
        let fault = format!("authorizer.toml:2:1: [{section}]: unknown key `xyz`");
        assert!(faults(&text).contains(&fault), "{:?}", faults(&text));
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let text = "[certificate]\nclock_skew = \n";
    let faults = faults(text);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("authorizer.toml:2:1"), "{faults:?}");
    assert!(faults[0].contains("not TOML: "), "{faults:?}");
}

#[test]
fn a_key_that_stands_twice_is_a_fault() {
    let faults = faults("[log]\ndecisions = \"all\"\ndecisions = \"denied\"\n");
    assert_eq!(faults, ["authorizer.toml:3:1: not TOML: duplicate key"]);
}

#[test]
fn values_of_the_wrong_type_name_what_was_expected() {
    assert_faults(
        "certificate = 1\n",
        &["authorizer.toml:1:15: certificate: expected a section: [certificate], found an integer"],
    );
    assert_faults(
        "[certificate]\nallow_sha1 = \"yes\"\n",
        &[
            "authorizer.toml:2:14: [certificate]: allow_sha1: expected `true` or `false`, found a string",
        ],
    );
    assert_faults(
        "[certificate]\nclock_skew = 5\n",
        &["authorizer.toml:2:14: [certificate]: clock_skew: expected a string, found an integer"],
    );
    assert_faults(
        "[trust]\nanchors = \"a.pem\"\n",
        &["authorizer.toml:2:11: [trust]: anchors: expected an array, found a string"],
    );
    assert_faults(
        "[client]\nid = \"c\"\n",
        &["authorizer.toml:1:1: client: clients are a list: write `[[client]]`"],
    );
    assert_faults(
        "[log]\ndecisions = \"denyed\"\n",
        &[
            "authorizer.toml:2:13: [log]: decisions: `denyed` is none of `all`, `denied`; did you mean `denied`?",
        ],
    );
}

#[test]
fn durations_are_whole_numbers_with_units() {
    let validity = |text: &str| parse(&format!("[certificate]\nmax_validity = \"{text}\"\n"));
    for (text, seconds) in [("398d", 398 * 86_400), ("1h30m", 5_400), ("90s", 90), ("1d1s", 86_401)]
    {
        assert_eq!(
            validity(text).unwrap().certificate.max_validity,
            Some(Duration::from_secs(seconds))
        );
    }
    for text in [
        "",
        "398",
        "d",
        "1.5h",
        "-1s",
        "1m1h",
        "1s1s",
        "1 h",
        "1ms",
        "4000d",
        "99999999999999999999s",
        "1D",
        "0s",
    ] {
        assert!(validity(text).is_err(), "{text}");
    }
    let skew = |text: &str| parse(&format!("[certificate]\nclock_skew = \"{text}\"\n"));
    assert_eq!(skew("5m").unwrap().certificate.clock_skew, Duration::from_secs(300));
    assert_eq!(skew("0s").unwrap().certificate.clock_skew, Duration::ZERO);
    assert!(skew("301s").is_err());
}

#[test]
fn purposes_are_names_or_identifiers_and_never_any_in_a_list() {
    accepted("[certificate]\nextended_key_usage = [\"clientAuth\", \"1.3.6.1.4.1.311.20.2.2\"]\n");
    accepted("[certificate]\nextended_key_usage = \"any\"\n");
    let not_listed = |purpose: &str| {
        format!(
            "`{purpose}` is no purpose to list; extended_key_usage = \"any\" says that none is looked at"
        )
    };
    for (list, column, rule) in [
        ("[\"any\"]", 23, not_listed("any")),
        ("[\"anyExtendedKeyUsage\"]", 23, not_listed("anyExtendedKeyUsage")),
        ("[\"2.5.29.37.0\"]", 23, not_listed("2.5.29.37.0")),
        ("[]", 22, "must not be empty".to_owned()),
        (
            "\"clientAuth\"",
            22,
            "`clientAuth` is neither \"any\" nor an array of purposes".to_owned(),
        ),
        (
            "[\"clientauth\"]",
            23,
            "`clientauth` is neither a purpose of RFC 5280 nor a dotted identifier; did you mean `clientAuth`?".to_owned(),
        ),
        ("[\"\"]", 23, "must not be empty".to_owned()),
    ] {
        let fault =
            format!("authorizer.toml:2:{column}: [certificate]: extended_key_usage: {rule}");
        assert_faults(&format!("[certificate]\nextended_key_usage = {list}\n"), &[&fault]);
    }
}

const ALB: &str = "[source]\nkind = \"alb-passthrough\"\nvpc_endpoints = [\"vpce-0a1b\"]\n";
const TRUST: &str = "[trust]\nanchors = [\"ca.pem\"]\n";

#[test]
fn passthrough_needs_endpoints_anchors_and_a_renamed_header() {
    let renamed = "headers = { chain = \"X-Acme-Chain\" }\n";
    assert_eq!(
        accepted(&format!("{ALB}{renamed}{TRUST}")).presentation,
        Presentation::AlbPassthrough {
            vpc_endpoints: vec!["vpce-0a1b".into()],
            chain: "X-Acme-Chain".into()
        }
    );
    assert_faults(
        &format!("{ALB}{renamed}"),
        &[
            "authorizer.toml:1:1: [source]: `alb-passthrough` needs [trust] anchors: the load balancer verifies nothing",
        ],
    );
    assert_faults(
        &format!("{ALB}{TRUST}"),
        &[
            "authorizer.toml:1:1: [source]: headers: missing; `alb-passthrough` needs a header that a client can't guess: rename it at the listener and here (or write dangerously_default_headers = true)",
        ],
    );
    faults(&format!("{ALB}headers = {{ chain = \"x-amzn-mtls-clientcert\" }}\n{TRUST}"));
    faults(&format!("{ALB}headers = {{ chain = \"X Acme\" }}\n{TRUST}"));
    faults(&format!("{ALB}headers = {{ chain = \"X-A\", leaf = \"X-B\" }}\n{TRUST}"));
    faults(&format!("[source]\nkind = \"alb-passthrough\"\n{renamed}{TRUST}"));
    let dangerous = accepted(&format!("{ALB}dangerously_default_headers = true\n{TRUST}"));
    assert!(
        dangerous.warnings.iter().any(|warning| warning.rule.contains("send the default header"))
    );
}

#[test]
fn settings_that_would_pin_nothing_are_faults() {
    assert_faults(
        "[source]\nvpc_endpoints = [\"vpce-1\"]\n",
        &[
            "authorizer.toml:2:17: [source]: vpc_endpoints: is for load balancers: nothing would be pinned for `api-gateway`",
        ],
    );
    faults("[source]\nheaders = { leaf = \"X-A\" }\n");
    faults("[source]\ndangerously_default_headers = true\n");
    faults(
        "[source]\nkind = \"alb-verify\"\nvpc_endpoints = [\"vpce-1\"]\nheaders = { leaf = \"X-A\", issuer = \"x-a\" }\n",
    );
    faults("[source]\nkind = \"alb-verify\"\nvpc_endpoints = []\n");
    faults("[source]\nkind = \"alb-verify\"\nvpc_endpoints = [\"*\"]\n");
}

#[test]
fn the_environment_fills_in_and_does_not_contradict() {
    let verify =
        [("AUTHORIZER_SOURCE_KIND", "alb-verify"), ("AUTHORIZER_VPC_ENDPOINTS", "vpce-1, vpce-2")];
    let configuration = parse_in(CLIENT, &verify).unwrap();
    let Presentation::AlbVerify { vpc_endpoints, headers } = configuration.presentation else {
        panic!("not alb-verify");
    };
    assert_eq!(vpc_endpoints, ["vpce-1", "vpce-2"]);
    assert_eq!(headers.leaf, "X-Amzn-Mtls-Clientcert-Leaf");
    let same = "[source]\nkind = \"alb-verify\"\nvpc_endpoints = [\"vpce-2\", \"vpce-1\"]\n";
    assert!(parse_in(same, &verify).is_ok());
    let other = "[source]\nkind = \"api-gateway\"\n[response]\nhttp_api = \"iam\"\n";
    let found = parse_in(
        other,
        &[
            ("AUTHORIZER_SOURCE_KIND", "alb-verify"),
            ("AUTHORIZER_VPC_ENDPOINTS", "vpce-1"),
            ("AUTHORIZER_HTTP_API", "simple"),
        ],
    )
    .unwrap_err();
    assert_eq!(
        found.to_string(),
        "authorizer.toml:2:8: [source]: kind: contradicts AUTHORIZER_SOURCE_KIND, which the template sets to `alb-verify`\nauthorizer.toml:4:12: [response]: http_api: contradicts AUTHORIZER_HTTP_API, which the template sets to `simple`"
    );
    let fewer = "[source]\nkind = \"alb-verify\"\nvpc_endpoints = [\"vpce-1\"]\n";
    assert!(parse_in(fewer, &verify).is_err());
    assert_eq!(
        parse_in("", &[("AUTHORIZER_HTTP_API", "simple")]).unwrap().http_api,
        HttpApiAnswer::Simple
    );
    // An empty variable counts as unset.
    assert_eq!(parse_in("", &[("AUTHORIZER_HTTP_API", "")]).unwrap().http_api, HttpApiAnswer::Iam);
    assert_eq!(
        parse_in("", &[("AUTHORIZER_HTTP_API", "Simple")]).unwrap_err().to_string(),
        "environment: AUTHORIZER_HTTP_API: `Simple` is none of `iam`, `simple`"
    );
    for ttl in ["x", "-1", "3601", "+5", "1.0"] {
        assert!(parse_in("", &[("AUTHORIZER_GATEWAY_CACHE_TTL", ttl)]).is_err(), "{ttl}");
    }
}

#[test]
fn simple_answers_are_never_cached() {
    let simple = "[response]\nhttp_api = \"simple\"\n";
    assert!(parse_in(simple, &[("AUTHORIZER_GATEWAY_CACHE_TTL", "0")]).is_ok());
    assert_eq!(
        parse_in(simple, &[("AUTHORIZER_GATEWAY_CACHE_TTL", "1")]).unwrap_err().to_string(),
        "environment: AUTHORIZER_GATEWAY_CACHE_TTL: must be 0 with simple answers: one that is cached opens every route"
    );
    let iam = parse_in("", &[("AUTHORIZER_GATEWAY_CACHE_TTL", "300")]).unwrap();
    assert_eq!(iam.gateway_cache_ttl, Some(Duration::from_secs(300)));
    assert!(iam.warnings.iter().any(|warning| warning.to_string().starts_with(
        "environment: AUTHORIZER_GATEWAY_CACHE_TTL: the gateway repeats an answer for 300 s"
    )));
}

#[test]
fn revocation_needs_anchors_and_somebody_to_ask() {
    let crl = "[revocation]\ncheck = [\"crl\"]\ncrls = [\"http://pki.example.com/a.crl\", \"s3://pki/b.crl\"]\n";
    let revocation = accepted(&format!("{TRUST}{crl}")).revocation.unwrap();
    assert_eq!(revocation.check, [RevocationMethod::Crl]);
    assert_eq!(revocation.crls.len(), 2);
    assert_faults(
        crl,
        &[
            "authorizer.toml:1:1: [revocation]: `check` needs [trust] anchors: a list counts by its issuer's signature",
        ],
    );
    for wrong in [
        "check = []",
        "check = [\"crl\"]",
        "check = [\"ocsp\"]",
        "check = [\"crl\", \"crl\"]",
        "check = [\"ocsp\"]\nallowed_hosts = [\"a.example\"]\ncrls = [\"a.crl\"]",
        "crls = [\"a.crl\"]",
        "check = [\"crl\"]\ndistribution_points = true",
        "check = [\"crl\"]\ncrls = [\"a.crl\"]\nocsp_responder = \"http://ocsp.example\"",
        "check = [\"ocsp\"]\nallowed_hosts = [\"https://a.example/x\"]",
        "check = [\"ocsp\"]\nocsp_responder = \"ocsp\"",
        "timeout = \"6s\"",
        "timeout = \"0s\"",
        "on_unknown = \"allow\"",
        "depth = \"all\"",
        "deny_list = \"http://pki.example.com/deny.txt\"",
    ] {
        faults(&format!("{TRUST}[revocation]\n{wrong}\n"));
    }
    let both = accepted(&format!(
        "{TRUST}[revocation]\ncheck = [\"ocsp\", \"crl\"]\ndistribution_points = true\nallowed_hosts = [\"PKI.example.com\"]\non_unknown = \"dangerously-allow\"\n"
    ));
    assert_eq!(both.revocation.unwrap().allowed_hosts, ["pki.example.com"]);
    assert!(both.warnings.iter().any(|warning| warning.path == "[revocation]: on_unknown"));
    // A deny list, and how sources age, go without anchors.
    let deny_list = accepted("[revocation]\ndeny_list = \"deny.txt\"\nrefresh = \"1m\"\n");
    assert!(deny_list.deny_list.is_some() && deny_list.revocation.is_none());
    assert_eq!(deny_list.freshness.refresh, Duration::from_secs(60));
}

const TOKEN: &str = "[token]\nissuer = \"https://login.example.com/\"\naudience = [\"orders\"]\njwks = \"jwks.json\"\nalgorithms = [\"RS256\", \"ES256\"]\n";

#[test]
fn tokens_are_never_symmetric_nor_unsigned() {
    let token = accepted(TOKEN).token.unwrap();
    assert_eq!(token.algorithms, [TokenAlgorithm::Rs256, TokenAlgorithm::Es256]);
    assert!(token.required);
    for algorithm in ["none", "None", "HS256", "hs512", "ES256K", "rs256", ""] {
        faults(&TOKEN.replace("RS256", algorithm));
    }
    for key in ["issuer", "audience", "jwks", "algorithms"] {
        let left_out: String = TOKEN
            .lines()
            .filter(|line| !line.starts_with(key))
            .map(|line| format!("{line}\n"))
            .collect();
        let faults = faults(&left_out);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(
            faults[0].starts_with(&format!("authorizer.toml:1:1: [token]: {key}: missing; ")),
            "{faults:?}"
        );
    }
    faults(&TOKEN.replace("jwks.json", "http://login.example.com/jwks.json"));
    accepted(&TOKEN.replace("jwks.json", "http://127.0.0.1:8080/jwks.json"));
    let off = accepted(&format!("{TOKEN}certificate_bound = \"off\"\n"));
    assert!(off.warnings.iter().any(|warning| warning.path == "[token]: certificate_bound"));
    accepted(&format!(
        "{TOKEN}claims = {{ tokenSub = \"sub\", tenant = \"org\" }}\nscopes = [\"a.b\"]\n"
    ));
    faults(&format!("{TOKEN}claims = {{ clientCertSub = \"sub\" }}\n"));
    faults(&format!("{TOKEN}scopes = [\"a b\"]\n"));
}

#[test]
fn an_identity_token_outlives_the_gateways_cache() {
    let text = "[identity_token]\nissuer = \"https://api.example.com\"\naudience = \"backend\"\nlifetime = \"60s\"\nkey = [\"key.pem\", \"secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:k-AbCdEf\"]\n";
    assert_eq!(accepted(text).identity_token.unwrap().key.len(), 2);
    assert!(parse_in(text, &[("AUTHORIZER_GATEWAY_CACHE_TTL", "59")]).is_ok());
    let faults = parse_in(text, &[("AUTHORIZER_GATEWAY_CACHE_TTL", "60")]).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "authorizer.toml:4:12: [identity_token]: lifetime: a token lives 60 s, and the gateway caches it for 60 s (AUTHORIZER_GATEWAY_CACHE_TTL): backends would get tokens that have expired"
    );
    assert!(parse(&text.replace("60s", "0s")).is_err());
}

#[test]
fn forwarded_facts_are_known_ones() {
    let forward = |list: &str| parse(&format!("[forward]\ninclude = {list}\n"));
    assert_eq!(forward("[\"clientCertXfcc\"]").unwrap().forward, [Forward::Xfcc]);
    assert!(forward("[]").unwrap().forward.is_empty());
    assert_eq!(forward("[\"clientCertSubject\"]").unwrap_err().to_string().lines().count(), 1);
    assert!(forward("[\"clientCert\", \"clientCert\"]").is_err());
    assert_eq!(
        forward("[\"clientId\"]").unwrap_err().to_string(),
        "authorizer.toml:2:12: [forward]: include: `clientId` is always sent; leave it out here"
    );
}

fn client(lines: &str) -> String {
    format!("[[client]]\nid = \"c\"\nallow = [\"GET /a\"]\n{lines}\n")
}

#[test]
fn no_condition_may_be_empty() {
    for (good, bad) in [
        ("any = true", ""),
        ("any = true", "any = false"),
        ("subject = { CN = \"a\" }", "subject = {}"),
        ("subject = { CN = \"a\" }", "subject = { CN = \"\" }"),
        ("subject = { CN = [\"a\"] }", "subject = { CN = [] }"),
        ("subject = { CN = [\"a\"] }", "subject = { CN = [\"a\", \"\"] }"),
        ("subject = { CN = { prefix = \"a\" } }", "subject = { CN = { prefix = \"\" } }"),
        ("subject = { CN = { suffix = \"a\" } }", "subject = { CN = { suffix = \"\" } }"),
        ("subject = { CN = { regex = \"a+\" } }", "subject = { CN = { regex = \"a*\" } }"),
        ("subject = { CN = { regex = \"a|b\" } }", "subject = { CN = { regex = \"a|\" } }"),
        ("subject = { CN = { regex = \"(a)(b)\" } }", "subject = { CN = { regex = \"a)|(b\" } }"),
        ("subject = { CN = { regex = \"a\" } }", "subject = { CN = { regex = \"\" } }"),
        ("subject = { CN = { regex = \"a\" } }", "subject = { CN = {} }"),
        (
            "subject = { CN = { regex = \"a\" } }",
            "subject = { CN = { regex = \"a\", prefix = \"a\" } }",
        ),
        (
            "subject = { CN = { regex = \"[a-z]{1,20}\" } }",
            "subject = { CN = { regex = \"(([a-z]{1,200}){1,200}){1,200}\" } }",
        ),
        ("subject = { CN = \"a\" }", "subject = { CN = \"a\\nb\" }"),
        ("subject = { CN = \"a\" }", "subject = { CN = \"a\", cn = \"b\" }"),
        ("subject = { CN = \"a\" }", "subject = { CN = \"a\", \"2.5.4.3\" = \"b\" }"),
        ("subject = { \"2.5.4.5\" = \"a\" }", "subject = { 2.5.4.5 = \"a\" }"),
        ("subject = { \"2.5.4.5\" = \"a\" }", "subject = { serialNumber = \"a\" }"),
        ("subject_dn = \"CN=a\"", "subject_dn = \"\""),
        ("subject_dn = \"CN=a\"", "subject_dn = \"a\""),
        ("subject_dn = \"CN=a\"", "subject_dn = { prefix = \"CN=a\" }"),
        ("issuer = { CN = \"a\" }", "issuer = { CN = [] }"),
        ("issuer_dn = [\"CN=a\", \"CN=b\"]", "issuer_dn = []"),
        ("serial_number = \"03:a5:B1\"\nissuer_dn = \"CN=a\"", "serial_number = \"03A5B1\""),
        (
            "serial_number = \"0\"\nissuer = { CN = \"a\" }",
            "serial_number = \"\"\nissuer = { CN = \"a\" }",
        ),
        (
            "serial_number = \"0\"\nissuer = { CN = \"a\" }",
            "serial_number = \"0x12\"\nissuer = { CN = \"a\" }",
        ),
        (
            "serial_number = \"12\"\nissuer = { CN = \"a\" }",
            "serial_number = 12\nissuer = { CN = \"a\" }",
        ),
        ("san_dns = \"a.example\"", "san_dns = []"),
        ("san_dns = \"a.example\"", "san_dns = \"a b.example\""),
        ("san_dns = { suffix = \".acme.example\" }", "san_dns = { suffix = \"acme.example\" }"),
        ("san_dns = { suffix = \".acme.example\" }", "san_dns = { suffix = \".\" }"),
        (
            "san_uri = { prefix = \"spiffe://acme/orders/\" }",
            "san_uri = { prefix = \"spiffe://acme/orders\" }",
        ),
        ("san_uri = { prefix = \"spiffe://acme/\" }", "san_uri = { prefix = \"spiffe://\" }"),
        ("san_uri = \"spiffe://acme/orders\"", "san_uri = \"acme/orders\""),
        ("san_uri = \"spiffe://acme/orders\"", "san_uri = \"spiffe://acme/../orders\""),
        ("san_email = { suffix = \"@acme.example\" }", "san_email = { suffix = \"acme.example\" }"),
        ("san_email = { suffix = \"@acme.example\" }", "san_email = { suffix = \"ops@\" }"),
        ("san_email = \"ops@acme.example\"", "san_email = \"acme.example\""),
        ("san_ip = \"10.1.0.0/16\"", "san_ip = \"0.0.0.0/0\""),
        ("san_ip = \"::1\"", "san_ip = \"::/0\""),
        ("san_ip = \"10.1.0.0/16\"", "san_ip = \"10.1.0.1/16\""),
        ("san_ip = \"10.1.0.0/32\"", "san_ip = \"10.1.0.0/33\""),
        ("san_ip = \"10.1.0.1\"", "san_ip = \"10.1\""),
        ("san_ip = \"10.1.0.1\"", "san_ip = { prefix = \"10.1.\" }"),
        ("any = true", "any = true\nsan_ip = \"10.1.0.1\""),
    ] {
        accepted(&client(good));
        let found = faults(&client(bad));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
    }
}

#[test]
fn a_network_has_its_length_in_digits_and_no_longer_than_its_addresses() {
    for (good, bad) in [
        ("10.0.0.0/8", "10.0.0.0/+8"),
        ("10.0.0.0/8", "10.0.0.0/ 8"),
        ("10.0.0.0/8", "10.0.0.0/-8"),
        ("10.0.0.0/8", "10.0.0.0/"),
        ("10.0.0.0/8", "10.0.0.0/8/8"),
        ("10.0.0.0/8", "10.0.0.0/255.0.0.0"),
        ("10.0.0.1/32", "10.0.0.1/33"),
        ("2001:db8::/33", "2001:db8::/+33"),
        ("2001:db8::1/128", "2001:db8::1/129"),
        ("2001:db8::1/128", "2001:db8::1/256"),
    ] {
        accepted(&client(&format!("san_ip = \"{good}\"")));
        let longest = if bad.contains(':') { 128 } else { 32 };
        assert_faults(
            &client(&format!("san_ip = \"{bad}\"")),
            &[&format!(
                "authorizer.toml:4:10: [[client]] `c`: san_ip: the prefix length of `{bad}` is not a number up to {longest}"
            )],
        );
    }
    // Nor is it a part of another's.
    for (good, bad, network) in [
        ("10.1.0.0/16", "10.1.128.0/16", "10.1.0.0/16"),
        ("10.1.128.0/17", "10.1.255.255/17", "10.1.128.0/17"),
        ("2001:db8::/32", "2001:db8::1/32", "2001:db8::/32"),
        ("8000::/1", "ffff::/1", "8000::/1"),
    ] {
        accepted(&client(&format!("san_ip = \"{good}\"")));
        assert_faults(
            &client(&format!("san_ip = \"{bad}\"")),
            &[&format!(
                "authorizer.toml:4:10: [[client]] `c`: san_ip: `{bad}` has bits set outside of its network; the network is `{network}`"
            )],
        );
    }
}

#[test]
fn conditions_name_what_they_need() {
    let pin = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let issuer_key = client(&format!("issuer_public_key = [\"{pin}\"]"));
    accepted(&format!("{TRUST}{issuer_key}"));
    assert_faults(
        &issuer_key,
        &[
            "authorizer.toml:4:21: [[client]] `c`: issuer_public_key: needs [trust] anchors: whose key it is shows when the path is verified",
        ],
    );
    let token = client("any = true\ntoken = { sub = \"a\" }");
    accepted(&format!("{TOKEN}{token}"));
    assert_faults(
        &token,
        &[
            "authorizer.toml:5:9: [[client]] `c`: token: needs the section [token], which says whose tokens are accepted",
        ],
    );
    assert_eq!(faults(&format!("{TOKEN}{}", client("token = { sub = \"a\" }"))).len(), 1);
    faults(&format!("{TOKEN}{}", client("any = true\ntoken = {}")));
    faults(&format!("{TOKEN}{}", client("any = true\ntoken = { sub = 7 }")));
    faults(&format!(
        "{TOKEN}claims = {{ tenant = \"org\" }}\n{}",
        client("any = true\ncontext = { tenant = \"a\" }")
    ));
    for (wrong, rule) in [
        ("00".repeat(32), "does not say its hash"),
        ("00".repeat(20), "looks like SHA-1"),
        (format!("sha256:{}", "00".repeat(31)), "is not `sha256:` and 64 hex digits"),
        (format!("sha1:{}", "00".repeat(20)), "is not of the form"),
    ] {
        let found = faults(&client(&format!("fingerprint = \"{wrong}\"")));
        assert!(found[0].contains(rule), "{found:?}");
    }
}

#[test]
fn context_is_ascii_under_free_keys() {
    let context = |text: &str| parse(&client(&format!("any = true\ncontext = {text}")));
    let configuration =
        context("{ tenant = \"acme\", tier = 2, beta = true, share = 2.5, Hex_1 = 0x10 }").unwrap();
    let pairs: Vec<_> = configuration.policy.clients()[0]
        .context
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    // In the order of the document.
    assert_eq!(pairs, ["tenant=acme", "tier=2", "beta=true", "share=2.5", "Hex_1=16"]);
    for wrong in [
        "{ clientCertSub = \"a\" }",
        "{ clientCertX = \"a\" }",
        "{ clientId = \"a\" }",
        "{ tokenSub = \"a\" }",
        "{ token = \"a\" }",
        "{ identityToken = \"a\" }",
        "{ denyReason = \"a\" }",
        "{ principalId = \"a\" }",
        "{ integrationLatency = 1 }",
        "{ claims = \"a\" }",
        "{ 1a = \"a\" }",
        "{ _a = \"a\" }",
        "{ a-b = \"a\" }",
        "{ \"\" = \"a\" }",
        "{ a = \"\u{e9}\" }",
        "{ a = \"b\\n\" }",
        "{ a = nan }",
        "{ a = inf }",
        "{ a = [1] }",
        "{ a = {} }",
        "{ a = 2026-11-21 }",
    ] {
        assert!(context(wrong).is_err(), "{wrong}");
    }
    for (wrong, told) in [
        ("{ a = \"\u{e9}\" }", "a: must be printable ASCII: it is sent as a header"),
        ("{ a = nan }", "a: must be a finite number"),
        ("{ a = [1] }", "a: expected a string, a number, `true` or `false`, found an array"),
        ("{ a = {} }", "a: expected a string, a number, `true` or `false`, found a table"),
        ("{ claims = \"a\" }", "claims: `claims` is reserved"),
        ("{ tokenA = \"a\" }", "tokenA: `tokenA` is reserved: `token…` is for [token] claims"),
        (
            "{ a-b = \"a\" }",
            "a-b: `a-b` is no context key; these are letters, digits and `_`, a letter first",
        ),
    ] {
        let faults = context(wrong).unwrap_err();
        let told = format!("[[client]] `c`: context.{told}");
        assert!(faults.0.len() == 1 && faults.to_string().ends_with(&told), "{told}: {faults}");
    }
}

#[test]
fn what_a_client_is_written_with_is_told_by_its_key_and_rule() {
    let document = |lines: &str| format!("[[client]]\nid = \"c\"\nallow = [\"*\"]\n{lines}\n");
    accepted(&document("subject = { CN = \"orders\" }"));
    for (lines, told) in [
        ("subject = \"CN=orders\"", "subject: expected a table, found a string"),
        (
            "subject = { CN = \"a\\u0007\" }",
            "subject.CN: an exact value with a control character would match nothing",
        ),
        (
            "subject = { commonName = \"a\" }",
            "subject.commonName: `commonName` is written `CN`, its short name in RFC 4514",
        ),
        (
            "subject = { colour = \"a\" }",
            "subject.colour: `colour` is neither a short name of RFC 4514 (CN, L, ST, O, OU, C, STREET, DC, UID) nor a dotted identifier in quotes",
        ),
        (
            "subject = { 2.5.4.5 = \"a\" }",
            "subject.2: write a dotted identifier in quotes, such as \"2.5.4.5\"",
        ),
        (
            "subject = { 2 = \"a\" }",
            "subject.2: `2` is neither a short name of RFC 4514 (CN, L, ST, O, OU, C, STREET, DC, UID) nor a dotted identifier in quotes",
        ),
        (
            "subject = { colour = { prefix = \"a\" } }",
            "subject.colour: `colour` is neither a short name of RFC 4514 (CN, L, ST, O, OU, C, STREET, DC, UID) nor a dotted identifier in quotes",
        ),
        (
            "subject = { \"\" = { prefix = \"a\" } }",
            "subject.\"\": `` is neither a short name of RFC 4514 (CN, L, ST, O, OU, C, STREET, DC, UID) nor a dotted identifier in quotes",
        ),
        (
            "san_dns = 7",
            "san_dns: expected a string, or one of { prefix = … }, { suffix = … }, { regex = … }, found an integer",
        ),
        (
            "san_dns = {}",
            "san_dns: must not be empty: one of { prefix = … }, { suffix = … }, { regex = … }",
        ),
        (
            "subject.CN = { prefix = \"a\", suffix = \"b\" }",
            "subject.CN: holds several patterns; write each by itself, in an array",
        ),
        ("any = true\ntoken = \"sub\"", "token: expected a table, found a string"),
        (
            "any = true\ntoken = { \"\" = \"a\" }",
            "token.\"\": the name of a claim must not be empty",
        ),
    ] {
        let found = faults(&document(lines));
        let told = format!("[[client]] `c`: {told}");
        assert!(found.iter().any(|fault| fault.ends_with(&told)), "{told}: {found:#?}");
    }
    assert_faults(
        "[revocation]\ncheck = [\"ocsp\"]\nallowed_hosts = [\"2001:db8::1\", \"[2001:db8::1]\"]\n[trust]\nanchors = [\"a\"]\n",
        &[
            "authorizer.toml:3:18: [revocation]: allowed_hosts: an IPv6 address stands in brackets: `[2001:db8::1]`",
        ],
    );
    assert_faults(
        "[token]\nissuer = \"https://a/\"\naudience = [\"a\"]\njwks = \"j\"\nalgorithms = [\"ES256\"]\nscopes = []\n",
        &["authorizer.toml:6:10: [token]: scopes: must not be empty"],
    );
    let named = |id: &str| format!("[[client]]\nid = {id}\nany = true\nallow = [\"*\"]\n");
    accepted(&named("\"orders service\""));
    for id in ["\" orders\"", "\"orders \"", "\"order\u{e9}\"", "\"\"", "\"a\\nb\"", "7"] {
        assert_eq!(faults(&named(id)).len(), 1, "{id}");
    }
    assert_faults(
        "client = [\"orders\"]",
        &["authorizer.toml:1:11: client: expected a table: `[[client]]`, found a string"],
    );
}

#[test]
fn numbers_are_whole_and_within_bounds_and_a_weak_one_is_warned_of() {
    let bits = |bits: &str| format!("[certificate]\nmin_rsa_bits = {bits}\n{CLIENT}");
    let weak = |text: &str| warnings(text).iter().any(|it| it.contains("can be broken"));
    assert!(!weak(&bits("2048")) && !weak(&bits("8192")));
    assert!(weak(&bits("1024")) && weak(&bits("2047")));
    for (wrong, rule) in [
        ("\"2048\"", "expected a whole number, found a string"),
        ("1023", "`1023` is no length from 1024 to 8192"),
        ("8193", "`8193` is no length from 1024 to 8192"),
        ("-2048", "`-2048` is no length from 1024 to 8192"),
        ("99999999999999999999", "the number is too large"),
    ] {
        let told = format!("authorizer.toml:2:16: [certificate]: min_rsa_bits: {rule}");
        assert_faults(&bits(wrong), &[&told]);
    }
}

#[test]
fn a_usage_plan_key_is_never_shown() {
    let hidden = client("any = true\nusage_plan_key = \"hidden-0123456789\"");
    let configuration = accepted(&hidden);
    assert_eq!(
        configuration.policy.clients()[0].usage_plan_key.as_ref().unwrap().expose(),
        "hidden-0123456789"
    );
    let debugged = format!("{configuration:?}");
    assert!(debugged.contains("UsagePlanKey(…)") && !debugged.contains("hidden"), "{debugged}");
    let faults = faults(&hidden.replace("hidden-", "hidden "));
    assert!(!faults.concat().contains("hidden"), "{faults:?}");
}

#[test]
fn routes_are_written_out_and_bounded() {
    let allow =
        |list: &str| parse(&format!("[[client]]\nid = \"c\"\nany = true\nallow = {list}\n"));
    for good in [
        "[\"*\"]",
        "[\"GET /\"]",
        "[\"* /a/*\"]",
        "[\"GET /a:b/@c;d=1,2\"]",
        "[\"GET /a%20b\"]",
        "[\"GET /$x\"]",
    ] {
        assert!(allow(good).is_ok(), "{good}");
    }
    for wrong in [
        "[]",
        "[\"\"]",
        "[\"GET\"]",
        "[\"/a\"]",
        "[\"GET a\"]",
        "[\"GET *\"]",
        "[\"G* /a\"]",
        "[\"ANY /a\"]",
        "[\"TRACE /a\"]",
        "[\"get /a\"]",
        "[\"GET  /a\"]",
        "[\"GET /a b\"]",
        "[\"GET /{id}\"]",
        "[\"GET /${aws:username}\"]",
        "[\"GET /\u{e9}\"]",
        "[\"GET /a\\u0000\"]",
        "[\"* \"]",
        "[\" *\"]",
        "[\"**\"]",
        "\"**\"",
        "\"GET a\"",
        "1",
        "[1]",
        "[\"GET /a#b\"]",
        "[\"GET /a\\\"b\"]",
    ] {
        assert!(allow(wrong).is_err(), "{wrong}");
    }
    assert!(allow("\"*\"").is_ok() && allow("\"GET /a\"").is_ok());
    let long = |length: usize| format!("[\"GET /{}\"]", "a".repeat(length));
    assert!(allow(&long(300)).is_ok());
    assert!(allow(&long(400)).is_err());
    let many = |count: usize| {
        let routes: Vec<_> = (0..count).map(|route| format!("\"* /{route}\"")).collect();
        format!("[{}]", routes.join(", "))
    };
    assert!(allow(&many(4)).is_ok());
    assert!(allow(&many(6)).unwrap_err().to_string().contains("at most 4096 fit"));
}

#[test]
fn a_route_that_is_written_wrongly_is_told_what_to_write() {
    let client = |route: &str| client("any = true").replace("GET /a", route);
    for (right, wrong, told) in [
        ("*", "", "`` is not of the form `METHOD /path`, nor `*` for the whole stage"),
        ("*", "**", "`**` is not of the form `METHOD /path`, nor `*` for the whole stage"),
        ("GET /", "GET", "`GET` is not of the form `METHOD /path`, nor `*` for the whole stage"),
        ("* /a", "ANY /a", "the method `ANY` is written `*` here"),
        ("* /a", "any /a", "the method `any` is written `*` here"),
        ("PUT /a", "Put /a", "the method `Put` is written in upper case: `PUT`"),
        ("GET /a", "G* /a", "the method `G*` mixes text and wildcards; it is one name, or `*`"),
        ("GET /a", "GE? /a", "the method `GE?` mixes text and wildcards; it is one name, or `*`"),
        (
            "GET /a",
            "TRACE /a",
            "the method `TRACE` is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, nor `*`",
        ),
        ("GET /*", "GET *", "the path `*` does not begin with `/`; all paths are `/*`"),
        (
            "GET /a/*",
            "GET /a/{id}",
            "`{` does not occur in the path of a request; a path parameter is written `*`",
        ),
        (
            "GET /a/*",
            "GET /a/*}",
            "`}` does not occur in the path of a request; a path parameter is written `*`",
        ),
        (
            "GET /a%20b",
            "GET /a b",
            "the path holds a space; there is one space, between method and path",
        ),
        ("GET /a%23b", "GET /a#b", "`#` does not occur in the path of a request"),
        (
            "GET /a%22b",
            "GET /a\\\"b",
            "`\\\"` does not occur in the path of a request; write it percent-encoded",
        ),
        (
            "GET /%C3%A9",
            "GET /\u{e9}",
            "`\u{e9}` does not occur in the path of a request; write it percent-encoded",
        ),
    ] {
        accepted(&client(right));
        let told = format!("authorizer.toml:3:10: [[client]] `c`: allow: {told}");
        assert_faults(&client(wrong), &[&told]);
    }
}

#[test]
fn a_path_holds_what_the_path_of_a_request_may_hold() {
    let client = |character: char| {
        let escaped = format!("\\u{:04X}", u32::from(character));
        client("any = true").replace("GET /a", &format!("GET /a{escaped}b"))
    };
    // RFC 3986, section 3.3, with `?` for any one character.
    let allowed = "/-._~!$&'()*+,;=:@%?";
    for character in (0..=0x17f).filter_map(char::from_u32) {
        if character.is_ascii_alphanumeric() || allowed.contains(character) {
            accepted(&client(character));
        } else {
            assert_eq!(faults(&client(character)).len(), 1, "{character:?}");
        }
    }
}

#[test]
fn a_route_and_a_clients_lists_may_be_as_long_as_fits_and_not_a_character_longer() {
    let stage_of = |name: usize| {
        let before = "arn:aws-us-gov:execute-api:ap-southeast-1:123456789012:a1b2c3d4e5/";
        before.len() + name
    };
    let client = |lines: &str| format!("[[client]]\nid = \"c\"\nany = true\n{lines}\n");
    // One ARN: 512 characters, with the longest name of a stage.
    for (method, longest_method) in [("GET", "GET"), ("*", "OPTIONS"), ("OPTIONS", "OPTIONS")] {
        for (list, other) in [("allow", ""), ("deny", "allow = [\"*\"]\n")] {
            let path = |arn: usize| {
                let path = arn - stage_of(128) - "/".len() - longest_method.len();
                let text = format!("{method} /{}", "a".repeat(path - "/".len()));
                client(&format!("{other}{list} = [\"{text}\"]"))
            };
            accepted(&path(512));
            let found = faults(&path(513));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].ends_with("the route is 318 characters long; at most 317 are left of an ARN's 512 after the longest stage"),
                "{found:?}"
            );
        }
    }
    // Both lists of a client: 4096 characters, with the usual length of a stage's name.
    let lists = |total: usize| {
        let arn = |route: &str| stage_of(32) + "/".len() + route.len();
        let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let every: usize = methods.iter().map(|method| arn(&format!("{method}/a"))).sum();
        let mut left = total - every - arn("*");
        let mut deny = vec!["\"*\"".to_owned()];
        while left > 0 {
            // No route is so short that what is left could not be another one.
            let next = if left > 600 {
                300
            } else if left > 400 {
                left - 200
            } else {
                left
            };
            let path = next - arn("GET/");
            deny.push(format!("\"GET /{}\"", "b".repeat(path)));
            left -= next;
        }
        client(&format!("allow = [\"* /a\"]\ndeny = [{}]", deny.join(", ")))
    };
    accepted(&lists(4096));
    assert_faults(
        &lists(4097),
        &[
            "authorizer.toml:4:9: [[client]] `c`: allow: the ARNs of `allow` and `deny` come to 4097 characters, with a stage's of 98; at most 4096 fit (a method `*` counts as 7 ARNs)",
        ],
    );
}

#[test]
fn routes_are_read_to_the_end_whatever_is_wrong_with_either_list() {
    let client = |lines: &str| format!("[[client]]\nid = \"c\"\nany = true\n{lines}\n");
    let wrong = "authorizer.toml:5:9: [[client]] `c`: deny: the method `get` is written in upper case: `GET`";
    for (lines, fault) in [
        (
            "allow = 1\ndeny = [\"get /a\"]",
            "authorizer.toml:4:9: [[client]] `c`: allow: expected an array, found an integer",
        ),
        (
            "allow = [\"GET a\"]\ndeny = [\"get /a\"]",
            "authorizer.toml:4:10: [[client]] `c`: allow: the path `a` does not begin with `/`; all paths are `/*`",
        ),
        (
            "\ndeny = [\"get /a\"]",
            "authorizer.toml:1:1: [[client]] `c`: allow: missing; write what the client may call, or \"*\" for all",
        ),
    ] {
        assert_faults(&client(lines), &[fault, wrong]);
    }
    assert_faults(
        &client("allow = [\"GET /a\"]\ndeny = 1"),
        &["authorizer.toml:5:8: [[client]] `c`: deny: expected an array, found an integer"],
    );
    accepted(&client("allow = [\"GET /a\"]\ndeny = [\"GET /a\"]"));
}

#[test]
fn a_star_is_data_and_whoever_means_a_wildcard_is_told_what_to_write() {
    let data =
        |text: &str| format!("`*` is data, not a wildcard: this matches `{text}` to the letter");
    let suffix = "`*` is data: this matches a certificate for `*.acme.example`, not names under it; for these, write { suffix = \".acme.example\" }";
    for (condition, place, told) in [
        ("san_dns = \"*.acme.example\"", "4:11", suffix),
        ("subject.CN = \"*.acme.example\"", "4:14", &data("*.acme.example")),
        ("subject.CN = \"*\"", "4:14", &data("*")),
        ("subject.CN = \"orders*\"", "4:14", &data("orders*")),
        ("san_uri = \"spiffe://acme/*\"", "4:11", &data("spiffe://acme/*")),
    ] {
        let path = condition.split(' ').next().unwrap();
        let told = format!("authorizer.toml:{place}: [[client]] `c`: {path}: {told}");
        assert_eq!(warnings(&client(condition)), [told], "{condition}");
        let without = condition.replace(['*'], "a");
        assert_eq!(warnings(&client(&without)), [""; 0], "{without}");
    }
}

#[test]
fn risky_settings_are_warned_of() {
    let about = |text: &str, path: &str| {
        warnings(text).iter().any(|warning| warning.contains(&format!("[[client]] `c`: {path}: ")))
    };
    let issuer = client("issuer = { CN = \"a\" }");
    assert!(about(&issuer, "issuer"));
    assert!(!about(&format!("{TRUST}{issuer}"), "issuer"));
    assert!(about(&client("issuer_dn = \"CN=a\"\nserial_number = \"1\""), "issuer_dn"));
    assert!(about(&client("issuer_dn = \"CN=a\"\nserial_number = \"1\""), "serial_number"));
    assert!(about(&client("san_dns = \"*.acme.example\""), "san_dns"));
    assert!(!about(&client("san_dns = \"a.acme.example\""), "san_dns"));
    assert!(about(&client("subject = { CN = { regex = \".+\" } }"), "subject.CN.regex"));
    assert!(!about(&client("subject = { CN = { regex = \"orders-.+\" } }"), "subject.CN.regex"));
    let routes = |allow: &str, deny: &str| {
        format!("[[client]]\nid = \"c\"\nany = true\nallow = [\"{allow}\"]\ndeny = [\"{deny}\"]\n")
    };
    assert!(about(&routes("* /orders/*", "* /orders/admin/*"), "deny"));
    assert!(about(&routes("*", "GET /admin"), "deny"));
    let tells_of_methods = |allow: &str| {
        let warnings = warnings(&routes(allow, "* /admin"));
        assert_eq!(warnings.iter().filter(|it| it.contains("evade it")).count(), 1, "{allow:?}");
        warnings.iter().any(|it| it.contains("PATCH, DELETE, OPTIONS is not denied at all"))
    };
    assert!(tells_of_methods("*"));
    assert!(tells_of_methods("GET /*\", \"*") && tells_of_methods("*\", \"GET /*"));
    assert!(!tells_of_methods("* /*"));
    let of_methods = "a method that is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS is not denied at all";
    assert_eq!(
        warnings(&routes("*", "* /*")),
        [format!("authorizer.toml:5:9: [[client]] `c`: deny: under the wider `*`, {of_methods}")]
    );
    assert!(!about(&routes("* /*", "* /*"), "deny"));
    // All paths that are allowed are denied, with some methods.
    assert!(!about(&routes("* /orders/*", "GET /*"), "deny"));
    assert!(about(&routes("* /orders/*", "GET /orders/?"), "deny"));
    assert!(!about(&routes("GET /orders", "GET /orders/admin"), "deny"));
    assert!(!about(&routes("* /orders/*", "DELETE /invoices/*"), "deny"));
    assert!(about(&routes("GET /orders/*", "GET /orders/admin"), "deny"));
    assert!(!about(&routes("GET /orders/*", "POST /orders/admin"), "deny"));
    assert!(!about(&routes("GET /orders/*", "GET /*"), "deny"));
    // A path that is exact can't be written another way, however many methods go with it.
    assert!(!about(&routes("* /orders", "GET /orders"), "deny"));
    assert!(about(&routes("* /orders*", "GET /orders"), "deny"));
    assert_eq!(
        warnings(&routes("GET /orders/*", "GET /orders/admin")),
        [
            "authorizer.toml:5:9: [[client]] `c`: deny: `GET /orders/admin` denies exact text under the wider `GET /orders/*`: `//` or `%61` in a path evade it where the backend takes them for the same"
        ]
    );
    let twice = format!("{}{}", client("any = true"), client("subject = { CN = \"a\" }"));
    assert_eq!(
        warnings(&twice),
        [
            "authorizer.toml:5:1: [[client]] `c`: the id is that of line 1 too; the log can't tell them apart",
            "authorizer.toml:5:1: [[client]] `c`: never reached: `c` in line 1 matches every certificate",
        ]
    );
}
