//! Which route a request takes.
//!
//! The most specific path wins, segment by segment: fixed text, then `{name}`, then `{name+}`,
//! then `$default`. A REST API settles on the path first, so that a path without the request's
//! method has no answer; an HTTP API looks for the method among all paths that match.

use std::collections::BTreeMap;

use super::{Api, Kind, Route};

/// A route with the values of its path's variables.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The route.
    pub route: &'a Route,
    /// The variables, as they were sent.
    pub path_variables: BTreeMap<String, String>,
}

/// How closely a segment of a path fits, closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Text,
    Variable,
    Greedy,
    Default,
}

impl Api {
    /// The route for a method and a path below the base path.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<Found<'_>> {
        let mut candidates: Vec<(Vec<Fit>, bool, Found<'_>)> = Vec::new();
        for route in &self.routes {
            if let Some((fit, path_variables)) = fits(&route.path, path) {
                candidates.push((fit, route.method.is_none(), Found { route, path_variables }));
            }
        }
        candidates.sort_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
        if self.kind == Kind::Rest
            && let Some(closest) = candidates.first().map(|candidate| candidate.0.clone())
        {
            candidates.retain(|candidate| candidate.0 == closest);
        }
        let own = |found: &Found<'_>| found.route.method.as_deref().is_none_or(|own| own == method);
        candidates.into_iter().map(|(.., found)| found).find(own)
    }

    /// The path below the base path; none where the request is outside of it.
    #[must_use]
    pub fn path_below_base<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.base_path.is_empty() {
            return Some(path);
        }
        match path.strip_prefix('/')?.strip_prefix(&self.base_path)? {
            "" => Some("/"),
            rest if rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }
}

fn fits(pattern: &str, path: &str) -> Option<(Vec<Fit>, BTreeMap<String, String>)> {
    let mut fit = Vec::new();
    let mut variables = BTreeMap::new();
    if pattern == "$default" {
        return Some((vec![Fit::Default], variables));
    }
    let mut rest = path.strip_prefix('/')?;
    let mut segments = pattern.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        let variable = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        if let Some(name) = variable.and_then(|name| name.strip_suffix('+')) {
            variables.insert(name.to_owned(), rest.to_owned());
            fit.push(Fit::Greedy);
            return (!rest.is_empty()).then_some((fit, variables));
        }
        let (head, tail) = match rest.split_once('/') {
            Some((head, tail)) => (head, Some(tail)),
            None => (rest, None),
        };
        match variable {
            Some(_) if head.is_empty() => return None,
            Some(name) => {
                variables.insert(name.to_owned(), head.to_owned());
                fit.push(Fit::Variable);
            }
            None if head == segment => fit.push(Fit::Text),
            None => return None,
        }
        match (tail, segments.peek().is_some()) {
            (Some(tail), true) => rest = tail,
            (None, false) => return Some((fit, variables)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn variables(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
        fits(pattern, path).map(|(_, variables)| variables.into_iter().collect())
    }

    #[test]
    fn paths_fit_segment_by_segment() {
        assert_eq!(variables("/", "/"), Some(vec![]));
        assert_eq!(variables("/orders", "/orders"), Some(vec![]));
        assert_eq!(variables("/orders", "/orders/"), None);
        assert_eq!(variables("/orders", "/Orders"), None);
        let one = |name: &str, value: &str| Some(vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(variables("/orders/{id}", "/orders/7"), one("id", "7"));
        assert_eq!(variables("/orders/{id}", "/orders/"), None);
        assert_eq!(variables("/orders/{id}", "/orders/7/8"), None);
        assert_eq!(variables("/{proxy+}", "/orders//7"), one("proxy", "orders//7"));
        assert_eq!(variables("/{proxy+}", "/"), None);
        assert_eq!(variables("/a/{proxy+}", "/a"), None);
    }

    #[test]
    fn text_comes_before_variables_and_variables_before_the_rest() {
        let fit = |pattern| fits(pattern, "/a/b").unwrap().0;
        assert!(fit("/a/b") < fit("/a/{x}"));
        assert!(fit("/a/{x}") < fit("/a/{x+}"));
        assert!(fit("/a/{x+}") < fit("/{x}/b"));
        assert!(fit("/{x}/b") < fit("/{x+}"));
        assert!(fit("/{x+}") < fit("$default"));
    }
}
