//! A reference to a source, after one byte for what it is for and where its document lies: what is written of it means
//! the same, it does not leave its place, and no query is shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::source::{AllowedHosts, Base, Host, Rules, Scheme, Source, Url, Use};

const PREFIX: &str = "policies/";

fn bases() -> [Base; 3] {
    [
        Base::Directory("/etc/authorizer".into()),
        Base::S3 { bucket: "configuration".to_owned(), prefix: PREFIX.to_owned() },
        Base::Web(Url::parse("https://pki.example.com/policies/").expect("a URL")),
    ]
}

fuzz_target!(|input: &[u8]| {
    let Some((&circumstances, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    from_certificate(text);
    let used_as = [Use::RevocationList, Use::Responder, Use::Document, Use::SigningKey]
        [usize::from(circumstances & 3)];
    let base = &bases()[usize::from(circumstances >> 2) % 3];
    let rules = Rules { used_as, base, in_lambda: circumstances & 0x80 != 0 };
    let source = match Source::parse(text, rules) {
        Ok(source) => source,
        Err(error) => return hides(&error.to_string(), text),
    };
    let written = source.to_string();
    // A path is shown whole, whatever it holds.
    if matches!(source, Source::Web(_)) {
        hides(&written, text);
    }
    assert!(!written.contains(char::is_control));
    if !written.ends_with("?…") {
        // As text: a port that is the scheme's own is not written.
        let again = Source::parse(&written, rules).map(|again| again.to_string());
        assert_eq!(again.as_ref(), Ok(&written));
    }
    judged(&source, rules);
    if !text.contains(':') && !text.starts_with('/') {
        stays(&source, base);
    }
});

/// The rules of what may be read from where, once more.
fn judged(source: &Source, rules: Rules<'_>) {
    match source {
        Source::Web(url) if url.scheme() == Scheme::Http => assert!(
            matches!(rules.used_as, Use::RevocationList | Use::Responder)
                || (url.host().is_loopback() && !rules.in_lambda)
        ),
        Source::Web(_) => {}
        Source::Secret(_) => assert_eq!(rules.used_as, Use::SigningKey),
        Source::File(_) | Source::S3(_) => assert_ne!(rules.used_as, Use::Responder),
    }
}

/// What a fetched document names beside itself is beside it.
fn stays(source: &Source, base: &Base) {
    let steps = |path: &str| {
        let path = path.replace("%2e", ".").replace("%2E", ".");
        !path.split('/').any(|step| matches!(step, "." | ".."))
    };
    match (base, source) {
        (Base::Directory(_), Source::File(_)) => {}
        (Base::S3 { bucket, prefix }, Source::S3(object)) => {
            assert_eq!(object.bucket(), bucket);
            let below = object.key().strip_prefix(prefix.as_str()).expect("below the prefix");
            assert!(steps(below));
        }
        (Base::Web(place), Source::Web(url)) => {
            assert_eq!((url.scheme(), url.host(), url.port()), (place.scheme(), place.host(), place.port()));
            assert!(steps(url.path().strip_prefix(place.path()).expect("below the path")));
        }
        _ => panic!("another kind of source"),
    }
}

/// A certificate's URL is contacted on its listed host, on a port of HTTP, or not at all.
fn from_certificate(text: &str) {
    let listed = Host::parse("crl.example.com").expect("a host");
    if let Ok(endpoint) = AllowedHosts::new(vec![listed.clone()]).admit(text) {
        assert_eq!(endpoint.url().host(), &listed);
        assert!([80, 443].contains(&endpoint.url().port()));
        hides(&endpoint.to_string(), text);
    }
    assert!(AllowedHosts::default().admit(text).is_err(), "a host that is on no list");
}

/// Nothing after a URL's question mark is shown. That the query stands nowhere else is asked where no word of a message
/// and no escape can look like it: of long numbers in plain text.
fn hides(shown: &str, text: &str) {
    let Some((before, query)) = text.split_once('?').filter(|(before, _)| before.contains("://"))
    else {
        return;
    };
    if let Some((_, after)) = shown.split_once('?') {
        assert!(after.starts_with('…'), "{shown}");
    }
    let telling = query.bytes().filter(u8::is_ascii_digit).count() > 8
        && text.bytes().all(|octet| octet.is_ascii_graphic())
        && !before.to_ascii_lowercase().contains(&query.to_ascii_lowercase());
    assert!(!(telling && shown.contains(query)), "{shown}");
}
