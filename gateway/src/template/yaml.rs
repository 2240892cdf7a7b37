//! YAML with the place of every node, and CloudFormation's short forms written out.
//!
//! `!Ref X` becomes `{Ref: X}` and `!Sub X` becomes `{Fn::Sub: X}`, so that nothing behind this
//! module sees two spellings. JSON is read too, being YAML. Keys are scalars and occur once.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::Fault;

/// A value with the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line, counted from 1.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`, `~` or nothing at all.
    Null,
    /// A string, number or boolean, as it is written. Plain ones may be any of these, quoted ones
    /// are strings.
    Scalar {
        /// The text, unescaped.
        text: String,
        /// Whether it was written without quotes.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Entries in the order in which they are written.
    Mapping(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line of the key.
    pub line: usize,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A string that stands on `line`.
    #[must_use]
    pub fn string(line: usize, text: impl Into<String>) -> Self {
        Self { line, value: Value::Scalar { text: text.into(), plain: false } }
    }

    /// The value of a key, where this is a mapping that has it.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The entries; none where this is no mapping.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The members; none where this is no list.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// What kind of value this is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new() };
    loop {
        let (event, at) = reader.next()?;
        match event {
            Event::StreamEnd => return Err(Fault::new(1, "the document is empty")),
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            event => {
                let node = reader.node(event, at)?;
                loop {
                    match reader.next()? {
                        (Event::StreamEnd, _) => return Ok(node),
                        (Event::DocumentStart(_), at) => {
                            return Err(Fault::new(at.line(), "a second document"));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: HashMap<usize, Node>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Marker), Fault> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start)),
            Some(Err(error)) => Err(Fault::new(error.marker().line(), error.info())),
            None => Ok((Event::StreamEnd, Marker::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, at: Marker) -> Result<Node, Fault> {
        let line = at.line();
        let (node, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| Fault::new(line, "an alias of nothing"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let value = match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if plain && tag.is_none() => Value::Null,
                    text => Value::Scalar { text: text.to_owned(), plain },
                };
                (Node { line, value }, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, at) => items.push(self.node(event, at)?),
                    }
                }
                (Node { line, value: Value::Sequence(items) }, anchor, tag)
            }
            Event::MappingStart(anchor, tag) => {
                (Node { line, value: Value::Mapping(self.entries()?) }, anchor, tag)
            }
            _ => return Err(Fault::new(line, "no value where one is needed")),
        };
        let node = match tag {
            Some(tag) => written_out(node, &tag)?,
            None => node,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn entries(&mut self) -> Result<Vec<Entry>, Fault> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, at) = self.next()?;
            let (key, line) = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, ..) => (text.into_owned(), at.line()),
                _ => return Err(Fault::new(at.line(), "a key that is no single value")),
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!("`{key}` a second time, after line {}", first.line);
                return Err(Fault::new(line, message));
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at)?;
            entries.push(Entry { key, line, value });
        }
    }
}

/// `!Name value` as `{Fn::Name: value}`.
fn written_out(node: Node, tag: &Tag) -> Result<Node, Fault> {
    if tag.is_yaml_core_schema() {
        // `!!str 5` is a string, `!!int 5` what it would be anyway.
        return Ok(match node.value {
            Value::Scalar { text, .. } if tag.suffix == "str" => Node::string(node.line, text),
            _ => node,
        });
    }
    let key = match tag.suffix.as_str() {
        "Ref" | "Condition" => tag.suffix.clone(),
        "Base64" | "Cidr" | "And" | "Equals" | "If" | "Not" | "Or" | "FindInMap" | "GetAtt"
        | "GetAZs" | "ImportValue" | "Join" | "Select" | "Split" | "Sub" | "Transform"
        | "Length" | "ToJsonString" | "ForEach" => format!("Fn::{}", tag.suffix),
        unknown => {
            let message = format!("`!{unknown}` is no function of CloudFormation");
            return Err(Fault::new(node.line, message));
        }
    };
    let line = node.line;
    Ok(Node { line, value: Value::Mapping(vec![Entry { key, line, value: node }]) })
}
