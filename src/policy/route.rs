//! Routes: which methods and paths a client may call, and how that is said in an IAM policy.
//!
//! A route is the method and path after the stage in the ARN of a call. In a pattern's path, `*` stands for any
//! run of characters, `/` included, and `?` for one, as in IAM resources (see "IAM JSON policy elements:
//! Resource" in the IAM user guide). The same lists are judged here by [`Routes::admits`] and by API Gateway, in
//! the policy that [`Routes::allow`] and [`Routes::deny`] are written out to, so the two must agree:
//!
//! - a method is always written out, since IAM's `*` in its place would match across the slash;
//! - a path holds only characters of a request path (RFC 3986, section 3.3), so `${`, which begins an IAM policy
//!   variable, can't occur;
//! - text is compared exactly, octet by octet; nothing is decoded or normalised. So `/orders//admin` and
//!   `/orders/%61dmin` are other routes than `/orders/admin`, and a `deny` under a wider `allow` may be evaded
//!   where a backend folds them together.

use std::fmt;

/// The methods of API Gateway, and what `*` is written out as.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// What IAM takes as one resource (API Gateway developer guide, quotas of authorizers).
pub const LONGEST_ARN: usize = 512;

/// The most that the ARNs of a client's two lists may come to, in characters.
pub const LONGEST_LISTS: usize = 4096;

/// The longest ARN of a stage, up to but without the slash before the method: the longest partition
/// (`aws-us-gov`), region (`ap-southeast-1`), an account, an API's id, and a stage name of 128 characters.
pub const LONGEST_STAGE_ARN: usize =
    "arn:aws-us-gov:execute-api:ap-southeast-1:123456789012:a1b2c3d4e5/".len() + 128;

/// What the ARN of a stage is taken for where ARNs are added up: as [`LONGEST_STAGE_ARN`], but with a stage name
/// of 32 characters. With a longer one a client's lists may exceed [`LONGEST_LISTS`] and still work: the
/// hard limit is that of the whole answer, which is checked when it is made.
pub const USUAL_STAGE_ARN: usize = LONGEST_STAGE_ARN - 128 + 32;

/// A pattern over routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePattern {
    text: Box<str>,
    methods: Methods,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Methods {
    /// `*` alone: the whole stage, methods that are none of [`METHODS`] included.
    Stage,
    /// All of [`METHODS`].
    All,
    /// One of [`METHODS`].
    One(&'static str),
}

impl Methods {
    /// Whether they have one in common.
    fn overlap(self, other: Self) -> bool {
        match (self, other) {
            (Self::One(left), Self::One(right)) => left == right,
            _ => true,
        }
    }

    /// As they are written in the ARNs of a policy.
    fn written_out(&self) -> &[&'static str] {
        match self {
            Self::Stage => &["*"],
            Self::All => &METHODS,
            Self::One(method) => std::slice::from_ref(method),
        }
    }
}

/// The rule that a route pattern breaks, as a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteFault(pub String);

impl fmt::Display for RouteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RouteFault {}

impl RoutePattern {
    /// Reads `METHOD /path`, or `*` for the whole stage.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, RouteFault> {
        let fault = |rule: String| Err(RouteFault(rule));
        if text == "*" {
            return Ok(Self { text: text.into(), methods: Methods::Stage });
        }
        let Some((method, path)) = text.split_once(' ') else {
            return fault(format!(
                "`{}` is not of the form `METHOD /path`, nor `*` for the whole stage",
                text.escape_debug()
            ));
        };
        let methods = match METHODS.iter().find(|known| **known == method) {
            Some(known) => Methods::One(known),
            None if method == "*" => Methods::All,
            None => return fault(method_fault(method)),
        };
        if !path.starts_with('/') {
            return fault(format!(
                "the path `{}` does not begin with `/`; all paths are `/*`",
                path.escape_debug()
            ));
        }
        if !path.bytes().all(is_path_octet)
            && let Some(odd) = path.chars().find(|odd| !u8::try_from(*odd).is_ok_and(is_path_octet))
        {
            return fault(character_fault(odd));
        }
        let pattern = Self { text: text.into(), methods };
        let longest = pattern.resource_lengths().max().unwrap_or(0);
        let room = LONGEST_ARN - LONGEST_STAGE_ARN - 1;
        if longest > room {
            return fault(format!(
                "the route is {longest} characters long; at most {room} are left of an ARN's {LONGEST_ARN} after the longest stage"
            ));
        }
        Ok(pattern)
    }

    /// The glob over paths; empty for the whole stage.
    fn path(&self) -> &str {
        let method = match self.methods {
            Methods::Stage => return "",
            Methods::All => "*",
            Methods::One(method) => method,
        };
        self.text.get(method.len() + 1..).unwrap_or_default()
    }

    /// Whether a route matches.
    #[must_use]
    pub fn admits(&self, method: &str, path: &str) -> bool {
        let among = match self.methods {
            Methods::Stage => return true,
            Methods::All => METHODS.contains(&method),
            Methods::One(only) => only == method,
        };
        among && glob_matches(self.path(), path)
    }

    /// What follows an ARN's stage and slash in a policy: `*`, or each method with the path.
    pub fn resources(&self) -> impl Iterator<Item = String> {
        let (methods, path) = self.methods_and_path();
        methods.iter().map(move |method| format!("{method}{path}"))
    }

    /// The lengths of [`RoutePattern::resources`].
    fn resource_lengths(&self) -> impl Iterator<Item = usize> {
        let (methods, path) = self.methods_and_path();
        methods.iter().map(move |method| method.len() + path.len())
    }

    fn methods_and_path(&self) -> (&[&'static str], &str) {
        (self.methods.written_out(), self.path())
    }

    /// Whether every path that `other` admits is admitted here too, with whatever method. May say no where it can't
    /// tell.
    #[must_use]
    pub fn covers_paths_of(&self, other: &Self) -> bool {
        glob_covers(self.paths(), other.paths())
    }

    /// The glob over paths, also for the whole stage.
    fn paths(&self) -> &str {
        if self.methods == Methods::Stage { "/*" } else { self.path() }
    }

    /// Whether some route is admitted by both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.methods == Methods::Stage
            || other.methods == Methods::Stage
            || (self.methods.overlap(other.methods)
                && globs_overlap(self.path().as_bytes(), other.path().as_bytes()))
    }

    /// Whether it admits a method that no other pattern speaks of: none of [`METHODS`].
    #[must_use]
    pub fn admits_other_methods(&self) -> bool {
        self.methods == Methods::Stage
    }

    /// Whether it holds a wildcard, beyond that of the method.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.methods == Methods::Stage || self.path().contains(['*', '?'])
    }
}

/// As it was written.
impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn method_fault(method: &str) -> String {
    let shown = method.escape_debug();
    let upper = method.to_ascii_uppercase();
    if upper == "ANY" {
        return format!("the method `{shown}` is written `*` here");
    }
    if METHODS.contains(&upper.as_str()) {
        return format!("the method `{shown}` is written in upper case: `{upper}`");
    }
    if method.contains(['*', '?']) {
        return format!("the method `{shown}` mixes text and wildcards; it is one name, or `*`");
    }
    format!("the method `{shown}` is none of {}, nor `*`", METHODS.join(", "))
}

/// RFC 3986, section 3.3, and the wildcards.
fn is_path_octet(octet: u8) -> bool {
    matches!(octet,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\''
        | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'%' | b'?')
}

fn character_fault(odd: char) -> String {
    match odd {
        '{' | '}' => format!(
            "`{odd}` does not occur in the path of a request; a path parameter is written `*`"
        ),
        ' ' => "the path holds a space; there is one space, between method and path".to_owned(),
        '#' => "`#` does not occur in the path of a request".to_owned(),
        _ => format!(
            "`{}` does not occur in the path of a request; write it percent-encoded",
            odd.escape_debug()
        ),
    }
}

/// The routes that a client may call.
#[derive(Clone, Debug)]
pub struct Routes {
    allow: Box<[RoutePattern]>,
    deny: Box<[RoutePattern]>,
}

impl Routes {
    /// Routes from the two lists of a client.
    ///
    /// # Errors
    /// An empty allow list, which no policy can express, and lists that are too long for one.
    pub fn new(allow: Vec<RoutePattern>, deny: Vec<RoutePattern>) -> Result<Self, RouteFault> {
        if allow.is_empty() {
            return Err(RouteFault("an empty list allows nothing; leave the client out".into()));
        }
        let routes = Self { allow: allow.into(), deny: deny.into() };
        let patterns = routes.allow.iter().chain(&routes.deny);
        let lengths = patterns.flat_map(RoutePattern::resource_lengths);
        let total: usize = lengths.map(|length| USUAL_STAGE_ARN + 1 + length).sum();
        if total > LONGEST_LISTS {
            return Err(RouteFault(format!(
                "the ARNs of `allow` and `deny` come to {total} characters, with a stage's of {USUAL_STAGE_ARN}; at most {LONGEST_LISTS} fit (a method `*` counts as {} ARNs)",
                METHODS.len()
            )));
        }
        Ok(routes)
    }

    /// Whether a route may be called: some pattern of `allow` admits it, and none of `deny`.
    #[must_use]
    pub fn admits(&self, method: &str, path: &str) -> bool {
        let any =
            |patterns: &[RoutePattern]| patterns.iter().any(|pattern| pattern.admits(method, path));
        any(&self.allow) && !any(&self.deny)
    }

    /// What may be called.
    #[must_use]
    pub fn allow(&self) -> &[RoutePattern] {
        &self.allow
    }

    /// What may not, whatever is allowed.
    #[must_use]
    pub fn deny(&self) -> &[RoutePattern] {
        &self.deny
    }

    /// The ARNs of the allow list; `stage` is the ARN of the stage, without a slash at its end.
    pub fn allow_resources(&self, stage: &str) -> impl Iterator<Item = String> {
        resources(&self.allow, stage)
    }

    /// The ARNs of the deny list; `stage` is the ARN of the stage, without a slash at its end.
    pub fn deny_resources(&self, stage: &str) -> impl Iterator<Item = String> {
        resources(&self.deny, stage)
    }
}

fn resources(patterns: &[RoutePattern], stage: &str) -> impl Iterator<Item = String> {
    patterns.iter().flat_map(move |pattern| {
        let (methods, path) = pattern.methods_and_path();
        methods.iter().map(move |method| [stage, "/", method, path].concat())
    })
}

/// Whether `text` is of the form that `glob` says, where `*` stands for any run and `?` for one character, as
/// IAM compares resources. Takes at most `glob.len() * text.len()` steps, whatever the glob.
#[must_use]
pub fn glob_matches(glob: &str, text: &str) -> bool {
    run_glob(glob, text, |wanted, found| wanted == '?' || wanted == found)
}

/// Whether `glob` matches all that `other` does: `other` is read as text whose `*` only a `*` of `glob` takes.
fn glob_covers(glob: &str, other: &str) -> bool {
    run_glob(glob, other, |wanted, found| found != '*' && (wanted == '?' || wanted == found))
}

/// Matches greedily, going back to the last `*` alone: what an earlier one took can't matter any more.
fn run_glob(glob: &str, text: &str, takes: fn(char, char) -> bool) -> bool {
    let (mut glob, mut text) = (glob.chars(), text.chars());
    let mut retry = None;
    loop {
        let text_before = text.clone();
        match (glob.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((glob.clone(), text_before.clone()));
                text = text_before;
            }
            (Some(wanted), Some(found)) if takes(wanted, found) => {}
            _ => {
                let Some((after_star, mut rest)) = retry.take() else { return false };
                if rest.next().is_none() {
                    return false;
                }
                glob = after_star.clone();
                text = rest.clone();
                retry = Some((after_star, rest));
            }
        }
    }
}

/// Whether some text is matched by both.
fn globs_overlap(left: &[u8], right: &[u8]) -> bool {
    // row[j]: whether the rest of `left` from here and the rest of `right` from `j` overlap.
    let mut row = vec![false; right.len() + 1];
    for left_byte in [None].into_iter().chain(left.iter().rev().map(Some)) {
        let mut next = vec![false; right.len() + 1];
        for j in (0..=right.len()).rev() {
            let right_byte = right.get(j);
            let at = |row: &[bool], j: usize| row.get(j).copied().unwrap_or(false);
            let overlap = match (left_byte, right_byte) {
                (None, None) => true,
                (Some(b'*'), _) if at(&row, j) => true,
                (_, Some(b'*')) if at(&next, j + 1) => true,
                (Some(b'*'), Some(_)) => at(&next, j + 1),
                (Some(_), Some(b'*')) => at(&row, j),
                (Some(left), Some(right)) => {
                    (left == right || *left == b'?' || *right == b'?') && at(&row, j + 1)
                }
                _ => false,
            };
            if let Some(cell) = next.get_mut(j) {
                *cell = overlap;
            }
        }
        row = next;
    }
    row.first().copied().unwrap_or(false)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::iter;

    fn routes(allow: &[&str], deny: &[&str]) -> Routes {
        let parse = |list: &[&str]| {
            list.iter().map(|text| RoutePattern::parse(text).unwrap()).collect::<Vec<_>>()
        };
        Routes::new(parse(allow), parse(deny)).unwrap()
    }

    #[test]
    fn a_route_is_a_method_and_exact_text() {
        let routes = routes(&["GET /orders", "GET /orders/*", "POST /orders/?/lines"], &[]);
        for (method, path) in [
            ("GET", "/orders"),
            ("GET", "/orders/"),
            ("GET", "/orders/7/lines"),
            ("POST", "/orders/7/lines"),
        ] {
            assert!(routes.admits(method, path), "{method} {path}");
        }
        for (method, path) in [
            ("POST", "/orders"),
            ("get", "/orders"),
            ("GET", "/Orders"),
            ("GET", "orders"),
            ("GET", "/ordersx"),
            ("GET", "//orders"),
            ("GET", "/order%73"),
            ("POST", "/orders/77/lines"),
            ("POST", "/orders//lines"),
            ("GET/orders", ""),
            ("", ""),
        ] {
            assert!(!routes.admits(method, path), "{method} {path}");
        }
    }

    #[test]
    fn deny_wins() {
        let routes = routes(&["*"], &["* /admin/*", "DELETE /*"]);
        assert!(routes.admits("GET", "/admin"));
        assert!(!routes.admits("GET", "/admin/x"));
        assert!(!routes.admits("DELETE", "/a"));
        assert!(!self::routes(&["*"], &["*"]).admits("GET", "/"));
    }

    #[test]
    fn a_method_is_never_a_wildcard_in_a_policy() {
        let routes = routes(&["* /a*", "GET /"], &["*"]);
        let stage = "arn:aws:execute-api:eu-central-1:1:a/prod";
        let allowed: Vec<String> = routes.allow_resources(stage).collect();
        let methods = METHODS.map(|method| format!("{stage}/{method}/a*"));
        assert_eq!(allowed[..7], methods);
        assert_eq!(allowed[7], format!("{stage}/GET/"));
        assert_eq!(routes.deny_resources(stage).collect::<Vec<_>>(), [format!("{stage}/*")]);
        // A method that the star is not written out to is not admitted by it, but by the whole stage.
        assert!(!RoutePattern::parse("* /a").unwrap().admits("TRACE", "/a"));
        assert!(RoutePattern::parse("*").unwrap().admits("TRACE", "/a"));
    }

    #[test]
    fn the_evaluator_agrees_with_the_arns_it_writes() {
        let patterns = ["*", "* /*", "GET /a/*", "GET /a?", "POST /*/b", "* /a", "GET /"];
        let stage = "arn:aws:execute-api:eu-central-1:1:a/prod";
        for text in patterns {
            let pattern = RoutePattern::parse(text).unwrap();
            for method in ["GET", "POST", "DELETE", "OPTIONS"] {
                for path in ["/", "/a", "/ab", "/a/", "/a/b", "/x/y/b", "/POST/b", "/a/GET/a"] {
                    let arn = format!("{stage}/{method}{path}");
                    let by_arn = pattern
                        .resources()
                        .any(|resource| glob_matches(&format!("{stage}/{resource}"), &arn));
                    assert_eq!(pattern.admits(method, path), by_arn, "{text}: {method} {path}");
                }
            }
        }
    }

    /// The definition, with no regard to time.
    fn naive(glob: &[u8], text: &[u8]) -> bool {
        match glob {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            [b'?', rest @ ..] => !text.is_empty() && naive(rest, &text[1..]),
            [byte, rest @ ..] => text.first() == Some(byte) && naive(rest, &text[1..]),
        }
    }

    /// Every text of up to `longest` of these characters.
    fn words(alphabet: &str, longest: usize) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut from = 0;
        for _ in 0..longest {
            let to = words.len();
            for index in from..to {
                for letter in alphabet.chars() {
                    words.push(format!("{}{letter}", words[index]));
                }
            }
            from = to;
        }
        words
    }

    #[test]
    fn globs_match_as_defined() {
        let texts = words("ab*", 5);
        for glob in words("ab*?", 4) {
            for text in &texts {
                let expected = naive(glob.as_bytes(), text.as_bytes());
                assert_eq!(glob_matches(&glob, text), expected, "{glob} {text}");
            }
        }
    }

    #[test]
    fn cover_and_overlap_are_sound() {
        let globs = words("a*?", 3);
        let texts = words("ab", 5);
        let matched = |glob: &str| -> Vec<bool> {
            texts.iter().map(|text| naive(glob.as_bytes(), text.as_bytes())).collect()
        };
        let matched: Vec<Vec<bool>> = globs.iter().map(|glob| matched(glob)).collect();
        for (left, by_left) in globs.iter().zip(&matched) {
            for (right, by_right) in globs.iter().zip(&matched) {
                let pairs = || by_left.iter().zip(by_right);
                if glob_covers(left, right) {
                    assert!(pairs().all(|(left, right)| *left || !*right), "{left} {right}");
                }
                let overlap = pairs().any(|(left, right)| *left && *right);
                assert_eq!(
                    globs_overlap(left.as_bytes(), right.as_bytes()),
                    overlap,
                    "{left} {right}"
                );
            }
        }
    }

    #[test]
    fn routes_overlap_by_method_and_path_and_cover_by_path() {
        let texts = ["*", "* /*", "GET /*", "POST /*", "* /a", "GET /a", "POST /a*", "GET /b"];
        let methods = METHODS.into_iter().chain(["TRACE"]);
        let calls: Vec<(&str, &str)> = methods
            .flat_map(|method| ["/", "/a", "/ab", "/b"].map(|path| (method, path)))
            .collect();
        let admitted = texts.map(|text| {
            let pattern = RoutePattern::parse(text).unwrap();
            let by_call: Vec<bool> =
                calls.iter().map(|(method, path)| pattern.admits(method, path)).collect();
            (pattern, by_call)
        });
        for (left, by_left) in &admitted {
            for (right, by_right) in &admitted {
                let pairs = || by_left.iter().zip(by_right);
                let overlap = pairs().any(|(left, right)| *left && *right);
                assert_eq!(left.overlaps(right), overlap, "{left} overlaps {right}");
                let paths = |pattern: &RoutePattern| {
                    ["/", "/a", "/ab", "/b"]
                        .map(|path| METHODS.iter().any(|method| pattern.admits(method, path)))
                };
                let covers =
                    iter::zip(paths(left), paths(right)).all(|(left, right)| left || !right);
                assert_eq!(
                    left.covers_paths_of(right),
                    covers,
                    "{left} covers the paths of {right}"
                );
            }
        }
    }

    #[test]
    fn a_hostile_glob_takes_no_longer_than_its_length_by_the_texts() {
        let glob = format!("/{}b", "*a".repeat(150));
        assert!(!glob_matches(&glob, &format!("/{}", "a".repeat(8_000))));
    }
}
