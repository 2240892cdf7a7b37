//! A walk over the tree of a TOML document that collects what it finds.
//!
//! Every key that is asked for is known from then on; the others are faults when the walk leaves their table.
//! So the code that reads a section is the list of its keys, and there is no second one to keep in step.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use crate::policy::fault::{Finding, Position};

use super::tree::{self, Table, Value};

/// The document, and what has been found in it so far.
pub(super) struct Findings<'a> {
    document: Arc<str>,
    text: &'a str,
    /// The last offset whose line was asked for, and its line.
    reached: Cell<(usize, usize)>,
    faults: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Finding>>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(document: &str, text: &'a str) -> Self {
        Self {
            document: document.into(),
            text,
            reached: Cell::new((0, 1)),
            faults: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// The number of the line that holds an offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        // Mostly the offsets rise, and the lines are counted on from the last.
        let (from, line) = match self.reached.get() {
            (from, line) if from <= offset => (from, line),
            _ => (0, 1),
        };
        let passed = self.text.as_bytes().get(from..offset).unwrap_or_default();
        let line = line + passed.iter().filter(|byte| **byte == b'\n').count();
        self.reached.set((offset, line));
        line
    }

    pub(super) fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or_default();
        let in_line = before.rsplit('\n').next().unwrap_or_default();
        Position { line: self.line(offset), column: in_line.chars().count() + 1 }
    }

    pub(super) fn fault(&self, offset: usize, path: &str, rule: impl Into<String>) {
        let finding = self.finding(Some(offset), path, rule.into());
        self.faults.borrow_mut().push(finding);
    }

    pub(super) fn warn(&self, offset: usize, path: &str, rule: impl Into<String>) {
        let finding = self.finding(Some(offset), path, rule.into());
        self.warnings.borrow_mut().push(finding);
    }

    /// A warning about the document as a whole.
    pub(super) fn warn_of_all(&self, rule: impl Into<String>) {
        let finding = self.finding(None, "", rule.into());
        self.warnings.borrow_mut().push(finding);
    }

    /// A fault in a variable of the environment.
    pub(super) fn fault_in_variable(&self, variable: &str, rule: impl Into<String>) {
        let finding =
            Finding { document: "environment".into(), ..self.finding(None, variable, rule.into()) };
        self.faults.borrow_mut().push(finding);
    }

    /// A warning about a variable of the environment.
    pub(super) fn warn_of_variable(&self, variable: &str, rule: impl Into<String>) {
        let finding =
            Finding { document: "environment".into(), ..self.finding(None, variable, rule.into()) };
        self.warnings.borrow_mut().push(finding);
    }

    /// Faults and warnings, each in the order of the document, those without a place first.
    pub(super) fn into_inner(self) -> (Vec<Finding>, Vec<Finding>) {
        let (mut faults, mut warnings) = (self.faults.into_inner(), self.warnings.into_inner());
        faults.sort_by_key(|finding| finding.position);
        warnings.sort_by_key(|finding| finding.position);
        (faults, warnings)
    }

    fn finding(&self, offset: Option<usize>, path: &str, rule: String) -> Finding {
        Finding {
            document: Arc::clone(&self.document),
            position: offset.map(|offset| self.position(offset)),
            path: path.to_owned(),
            rule,
        }
    }
}

/// What findings in a table are about. Put into words only where something is found.
#[derive(Clone, Copy)]
pub(super) enum Label<'a> {
    /// The document itself.
    Document,
    /// A section, by its name.
    Section(&'static str),
    /// A client, by its id.
    Client(&'a str),
    /// A client without an id, by its position from 1.
    NumberedClient(usize),
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => Ok(()),
            Self::Section(name) => write!(f, "[{name}]"),
            Self::Client(id) => write!(f, "[[client]] `{}`", id.escape_debug()),
            Self::NumberedClient(number) => write!(f, "[[client]] number {number}"),
        }
    }
}

/// A table of the document.
pub(super) struct Section<'a> {
    pub(super) findings: &'a Findings<'a>,
    entries: Vec<Entry<'a>>,
    /// Where it begins.
    pub(super) offset: usize,
    /// What its faults are about.
    label: Label<'a>,
    /// What the names of its keys begin with, in messages: `subject.`.
    prefix: Option<Rc<str>>,
    known: RefCell<Vec<&'static str>>,
}

struct Entry<'a> {
    written: &'a tree::Entry<'a>,
    taken: Cell<bool>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        findings: &'a Findings<'a>,
        table: &'a Table<'a>,
        offset: usize,
        label: Label<'a>,
    ) -> Self {
        let entry = |written| Entry { written, taken: Cell::new(false) };
        Self {
            findings,
            entries: table.entries.iter().map(entry).collect(),
            offset,
            label,
            prefix: None,
            // A client's table has the most keys.
            known: RefCell::new(Vec::with_capacity(20)),
        }
    }

    /// The value of a key, which is known from now on.
    pub(super) fn take(&self, key: &'static str) -> Option<Node<'a>> {
        self.known.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| entry.written.key.name == key)?;
        entry.taken.set(true);
        Some(self.node(entry.written))
    }

    /// Every key with its value, for tables whose keys are the user's: the key, where it is, and its value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, usize, Node<'a>)> {
        self.entries.iter().map(|Entry { written, .. }| {
            (&*written.key.name, written.key.offset, self.node(written))
        })
    }

    fn node(&self, tree::Entry { key, item }: &'a tree::Entry<'a>) -> Node<'a> {
        Node {
            findings: self.findings,
            value: &item.value,
            offset: item.offset,
            place: self.place(&key.name),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn fault(&self, rule: impl Into<String>) {
        self.findings.fault(self.offset, &self.label.to_string(), rule);
    }

    /// A fault about a key that is not there.
    pub(super) fn missing(&self, key: &'static str, rule: &str) {
        self.findings.fault(self.offset, &self.place(key).to_string(), format!("missing; {rule}"));
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for Entry { written, .. } in self.entries.iter().filter(|entry| !entry.taken.get()) {
            let tree::Key { name, offset } = &written.key;
            let prefix = self.prefix.as_deref().unwrap_or_default();
            let what = if matches!(self.label, Label::Document) { "section" } else { "key" };
            let hint = match suggestion(name, known.iter().copied()) {
                Some(known) => format!("; did you mean `{prefix}{known}`?"),
                None => String::new(),
            };
            let name = name.escape_debug();
            let rule = format!("unknown {what} `{prefix}{name}`{hint}");
            self.findings.fault(*offset, &self.label.to_string(), rule);
        }
    }

    pub(super) fn boolean(&self, key: &'static str, default: bool) -> bool {
        self.take(key).and_then(|node| node.boolean()).unwrap_or(default)
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.take(key)?.choice(words)
    }

    /// A whole number of seconds.
    pub(super) fn duration(&self, key: &'static str) -> Option<(Duration, Node<'a>)> {
        let node = self.take(key)?;
        Some((node.duration()?, node))
    }

    fn place(&self, key: &'a str) -> Place<'a> {
        Place { label: self.label, prefix: self.prefix.clone(), key }
    }
}

/// The section and key of a value, put into words only where something is found.
#[derive(Clone)]
pub(super) struct Place<'a> {
    label: Label<'a>,
    prefix: Option<Rc<str>>,
    key: &'a str,
}

impl Place<'_> {
    /// The key, with what leads to it from the section.
    fn key(&self) -> String {
        let Self { prefix, key, .. } = self;
        let prefix = prefix.as_deref().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        match !key.is_empty() && key.bytes().all(plain) {
            true => format!("{prefix}{key}"),
            false => format!("{prefix}\"{}\"", key.escape_debug()),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if matches!(self.label, Label::Document) { "" } else { ": " };
        write!(f, "{}{separator}{}", self.label, self.key())
    }
}

/// A value of the document.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) findings: &'a Findings<'a>,
    pub(super) value: &'a Value<'a>,
    pub(super) offset: usize,
    pub(super) place: Place<'a>,
}

impl<'a> Node<'a> {
    pub(super) fn fault(&self, rule: impl Into<String>) {
        self.findings.fault(self.offset, &self.place.to_string(), rule);
    }

    pub(super) fn warn(&self, rule: impl Into<String>) {
        self.findings.warn(self.offset, &self.place.to_string(), rule);
    }

    pub(super) fn expected(&self, what: &str) {
        let found = self.value.type_name();
        let article = if found.starts_with(['a', 'i']) { "an" } else { "a" };
        self.fault(format!("expected {what}, found {article} {found}"));
    }

    pub(super) fn string(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.expected("a string");
        }
        text
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.string()?;
        if text.is_empty() {
            self.fault("must not be empty");
            return None;
        }
        if text.chars().any(char::is_control) {
            self.fault("must not hold control characters");
            return None;
        }
        Some(text)
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        if let Value::Boolean(value) = self.value {
            return Some(*value);
        }
        self.expected("`true` or `false`");
        None
    }

    pub(super) fn integer(&self) -> Option<i64> {
        let Value::Integer(value) = self.value else {
            self.expected("a whole number");
            return None;
        };
        if value.is_none() {
            self.fault("the number is too large");
        }
        *value
    }

    pub(super) fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.string()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let hint = match suggestion(text, words.iter().map(|(word, _)| *word)) {
                Some(word) => format!("; did you mean `{word}`?"),
                None => String::new(),
            };
            let all: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let text = text.escape_debug();
            self.fault(format!("`{text}` is none of {}{hint}", all.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// The members of an array.
    pub(super) fn members(&self) -> Option<Vec<Self>> {
        let Some(members) = self.value.as_array() else {
            self.expected("an array");
            return None;
        };
        let node = |member: &'a tree::Item<'a>| Self {
            findings: self.findings,
            value: &member.value,
            offset: member.offset,
            place: self.place.clone(),
        };
        Some(members.iter().map(node).collect())
    }

    /// The members of an array that is not empty and in which no text stands twice.
    pub(super) fn texts(&self) -> Option<Vec<(&'a str, Self)>> {
        let members = self.members()?;
        if members.is_empty() {
            self.fault("must not be empty");
        }
        self.distinct(members)
    }

    /// The members of an array in which no text stands twice.
    pub(super) fn texts_or_none(&self) -> Option<Vec<(&'a str, Self)>> {
        self.distinct(self.members()?)
    }

    /// The members of an array; a string alone is the same as an array of it.
    pub(super) fn members_or_self(&self) -> Option<Vec<Self>> {
        if self.value.as_str().is_some() { Some(vec![self.clone()]) } else { self.members() }
    }

    fn distinct(&self, members: Vec<Self>) -> Option<Vec<(&'a str, Self)>> {
        let mut texts: Vec<(&str, Self)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for member in members {
            let Some(text) = member.text() else { continue };
            if seen.insert(text) {
                texts.push((text, member));
            } else {
                // Not quoted: of a URL it might be the secret part that stands here twice.
                member.fault("stands here twice");
            }
        }
        Some(texts)
    }

    pub(super) fn table(&self) -> Option<Section<'a>> {
        let Some(table) = self.value.as_table() else {
            self.expected("a table");
            return None;
        };
        let prefix = Some(format!("{}.", self.place.key()).into());
        let section = Section::new(self.findings, table, self.offset, self.place.label);
        Some(Section { prefix, ..section })
    }

    fn duration(&self) -> Option<Duration> {
        let text = self.string()?;
        match parse_duration(text) {
            Ok(duration) => Some(duration),
            Err(rule) => {
                self.fault(rule);
                None
            }
        }
    }
}

/// A duration such as `398d`, `5m` or `1h30m`: whole numbers, units falling. At most ten years.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    const LONGEST: u64 = 3_660 * 86_400;
    let shown = text.escape_debug();
    let malformed = || {
        format!(
            "`{shown}` is no duration; write whole numbers with d, h, m or s, such as `398d` or `1h30m`"
        )
    };
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(malformed)?;
        let unit = tail.chars().next().ok_or_else(malformed)?;
        let (_, factor) = units.find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        let number: u64 = number.parse().map_err(|_| malformed())?;
        seconds = number
            .checked_mul(*factor)
            .and_then(|more| seconds.checked_add(more))
            .filter(|seconds| *seconds <= LONGEST)
            .ok_or_else(|| format!("`{shown}` is over ten years"))?;
        rest = tail.get(unit.len_utf8()..).unwrap_or_default();
    }
    if text.is_empty() { Err(malformed()) } else { Ok(Duration::from_secs(seconds)) }
}

/// The known word that somebody probably meant.
pub(super) fn suggestion<'k>(
    written: &str,
    known: impl Iterator<Item = &'k str>,
) -> Option<&'k str> {
    let folded = |text: &str| text.to_lowercase().replace('-', "_");
    let written = folded(written);
    if written.chars().count() > 64 {
        return None;
    }
    known
        .map(|word| (distance(&written, &folded(word)), word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters have to be put in, taken out, replaced or swapped with the next.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (i, letter) in left.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, other) in right.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&row, j) + usize::from(letter != *other);
            let mut least = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = j > 0
                && previous == Some(*other)
                && right.get(j - 1).is_some_and(|before| *before == letter);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(letter);
    }
    row.last().copied().unwrap_or_default()
}
