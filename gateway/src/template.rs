//! CloudFormation and SAM templates: parameters, conditions, functions, and the line of everything.
//!
//! A [`Template`] is a document with its parameters given. Its nodes are resolved when they are
//! asked for, so that a parameter or function which the question has nothing to do with cannot be
//! in the way. References to resources become stand-ins that name them: `Ref` gives the logical
//! name, `GetAtt X.Arn` an ARN that ends in it.
//!
//! What the gateway cannot represent is a [`TemplateError`] with its line, never passed over.
//! Not represented: `Fn::ImportValue`, `Fn::Transform`, `Fn::ForEach`, `Fn::GetAZs`, `Fn::Cidr`,
//! `Fn::Base64`, SSM parameters, dynamic references (`{{resolve:…}}`), nested stacks. `AllowedPattern` and `Rules` are not checked.

mod yaml;

use std::collections::{BTreeMap, HashSet};
use std::fmt;

pub use yaml::{Entry, Node, Value};

/// A place in a template and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The template's name, as it was given.
    pub name: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.name, self.line, self.message)
    }
}

impl std::error::Error for TemplateError {}

/// A [`TemplateError`] before the template's name is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }

    pub(crate) fn named(self, name: &str) -> TemplateError {
        TemplateError { name: name.to_owned(), line: self.line, message: self.message }
    }
}

/// A template with the values of its parameters.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    root: Node,
    parameters: BTreeMap<String, Node>,
    stand_ins: BTreeMap<String, String>,
}

/// A resource of a template.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'t> {
    /// Its logical name.
    pub name: &'t str,
    /// Its type, `AWS::Serverless::Api` and the like.
    pub kind: &'t str,
    /// The line of its name.
    pub line: usize,
    /// Its body, unresolved: `Type`, `Properties`, `Condition` and so on.
    pub body: &'t Node,
}

impl Resource<'_> {
    /// A property, unresolved.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Node> {
        self.body.find("Properties")?.find(name)
    }
}

const FUNCTION_DEPTH: usize = 100;
const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-east-1";

impl Template {
    /// Reads a template and gives its parameters the values of `given`, or else their defaults.
    ///
    /// A parameter with neither gets a stand-in: 0 for a number, else a URL that leads nowhere and
    /// names the parameter. [`stand_ins`](Self::stand_ins) tells which.
    ///
    /// # Errors
    /// Where it is no readable template, or a given parameter is not one of its own or not allowed.
    pub fn read(
        name: &str,
        text: &str,
        given: &BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        read(name, text, given).map_err(|fault| fault.named(name))
    }

    /// The name that it was read under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole document, unresolved.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Parameters that were neither given nor have a default, with what stands in for them.
    pub fn stand_ins(&self) -> impl Iterator<Item = (&str, &str)> {
        self.stand_ins.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The resources whose condition holds, in the order of the document.
    ///
    /// # Errors
    /// Where a condition can't be evaluated or a resource has no type.
    pub fn resources(&self) -> Result<Vec<Resource<'_>>, TemplateError> {
        self.try_resources().map_err(|fault| fault.named(&self.name))
    }

    /// A resource by its logical name, where its condition holds.
    ///
    /// # Errors
    /// As [`resources`](Self::resources).
    pub fn resource(&self, name: &str) -> Result<Option<Resource<'_>>, TemplateError> {
        Ok(self.resources()?.into_iter().find(|resource| resource.name == name))
    }

    /// A node with every function in it evaluated. `AWS::NoValue` removes an entry or a member, and
    /// gives null where it is the whole.
    ///
    /// # Errors
    /// Where a function is unknown, malformed, or can't be represented.
    pub fn resolve(&self, node: &Node) -> Result<Node, TemplateError> {
        self.try_resolve(node).map_err(|fault| fault.named(&self.name))
    }

    /// Whether a condition of the template holds.
    ///
    /// # Errors
    /// Where there is no such condition, or it can't be evaluated.
    pub fn condition(&self, name: &str, line: usize) -> Result<bool, TemplateError> {
        self.named_condition(name, line, 0).map_err(|fault| fault.named(&self.name))
    }

    pub(crate) fn try_resources(&self) -> Result<Vec<Resource<'_>>, Fault> {
        let mut resources = Vec::new();
        for Entry { key, line, value } in self.root.find("Resources").map_or(&[][..], Node::entries)
        {
            let kind = value
                .find("Type")
                .and_then(Node::text)
                .ok_or_else(|| Fault::new(*line, format!("`{key}` has no Type")))?;
            let exists = match value.find("Condition") {
                Some(condition) => self.named_condition(text_of(condition)?, condition.line, 0)?,
                None => true,
            };
            if exists {
                resources.push(Resource { name: key, kind, line: *line, body: value });
            }
        }
        Ok(resources)
    }

    pub(crate) fn try_resolve(&self, node: &Node) -> Result<Node, Fault> {
        let resolved = self.value(node, 0)?;
        Ok(resolved.unwrap_or(Node { line: node.line, value: Value::Null }))
    }

    /// The value of a node; none where it is `AWS::NoValue`.
    fn value(&self, node: &Node, depth: usize) -> Result<Option<Node>, Fault> {
        if depth > FUNCTION_DEPTH {
            return Err(Fault::new(node.line, "nested too deeply"));
        }
        let depth = depth + 1;
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Scalar { text, .. } if text.contains("{{resolve:") => {
                return Err(Fault::new(node.line, "a dynamic reference can't be resolved here"));
            }
            Value::Scalar { .. } => return Ok(Some(node.clone())),
            Value::Sequence(items) => {
                let mut values = Vec::new();
                for item in items {
                    values.extend(self.value(item, depth)?);
                }
                Value::Sequence(values)
            }
            Value::Mapping(entries) => {
                if let [Entry { key, value, line }] = entries.as_slice()
                    && (key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
                    // `Condition: Name` is also an ordinary key, of policy statements.
                    && !(key == "Condition" && value.text().is_none())
                {
                    return self.call(key, value, *line, depth);
                }
                let mut values = Vec::new();
                for Entry { key, line, value } in entries {
                    if key.starts_with("Fn::") {
                        let message = format!("`{key}` can't be represented among other keys");
                        return Err(Fault::new(*line, message));
                    }
                    if let Some(value) = self.value(value, depth)? {
                        values.push(Entry { key: key.clone(), line: *line, value });
                    }
                }
                Value::Mapping(values)
            }
        };
        Ok(Some(Node { line: node.line, value }))
    }

    fn call(
        &self,
        function: &str,
        argument: &Node,
        line: usize,
        depth: usize,
    ) -> Result<Option<Node>, Fault> {
        let text = match function {
            "Ref" => match text_of(argument)? {
                "AWS::NoValue" => return Ok(None),
                name => match self.parameters.get(name) {
                    // The line stays that of the reference: what is wrong is wrong there.
                    Some(value) => {
                        return Ok(Some(Node { line, value: value.value.clone() }));
                    }
                    None => self.reference(name, line)?,
                },
            },
            "Fn::GetAtt" => match &argument.value {
                Value::Sequence(items) => match items.as_slice() {
                    [resource, attribute] => {
                        let attribute = self.string(attribute, depth)?;
                        self.attribute(text_of(resource)?, &attribute, line)?
                    }
                    _ => {
                        return Err(Fault::new(line, "`GetAtt` needs a resource and an attribute"));
                    }
                },
                _ => match text_of(argument)?.split_once('.') {
                    Some((resource, attribute)) => self.attribute(resource, attribute, line)?,
                    None => {
                        return Err(Fault::new(line, "`GetAtt` needs a resource and an attribute"));
                    }
                },
            },
            "Fn::Sub" => self.substitute(argument, line, depth)?,
            "Fn::Join" => {
                let [separator, list] = self.arguments(argument, function, line, depth)?;
                let mut parts = Vec::new();
                for item in list.items() {
                    parts.push(text_of(item)?.to_owned());
                }
                parts.join(text_of(&separator)?)
            }
            "Fn::Select" => {
                let [index, list] = self.arguments(argument, function, line, depth)?;
                let item = text_of(&index)?.parse().ok().and_then(|i: usize| list.items().get(i));
                return match item {
                    Some(item) => Ok(Some(item.clone())),
                    None => Err(Fault::new(line, "`Select` asks for a member that is not there")),
                };
            }
            "Fn::Split" => {
                let [separator, whole] = self.arguments(argument, function, line, depth)?;
                let parts = text_of(&whole)?.split(text_of(&separator)?);
                let parts = parts.map(|part| Node::string(line, part)).collect();
                return Ok(Some(Node { line, value: Value::Sequence(parts) }));
            }
            "Fn::FindInMap" => {
                let [map, first, second] = self.arguments(argument, function, line, depth)?;
                let keys = (text_of(&map)?, text_of(&first)?, text_of(&second)?);
                let found = self
                    .root
                    .find("Mappings")
                    .and_then(|maps| maps.find(keys.0)?.find(keys.1)?.find(keys.2));
                return match found {
                    Some(found) => Ok(Some(found.clone())),
                    None => Err(Fault::new(line, "`FindInMap` finds nothing there")),
                };
            }
            "Fn::If" => {
                let [condition, yes, no] = argument.items() else {
                    return Err(Fault::new(line, "`If` needs a condition and two values"));
                };
                let holds = self.named_condition(text_of(condition)?, condition.line, depth)?;
                return self.value(if holds { yes } else { no }, depth);
            }
            "Condition" | "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => {
                self.holds(function, argument, line, depth)?.to_string()
            }
            other => {
                return Err(Fault::new(line, format!("`{other}` can't be represented here")));
            }
        };
        Ok(Some(Node { line, value: Value::Scalar { text, plain: false } }))
    }

    /// A string with its functions evaluated.
    fn string(&self, node: &Node, depth: usize) -> Result<String, Fault> {
        let value = self.value(node, depth)?;
        value.as_ref().map_or_else(|| Ok(String::new()), |value| Ok(text_of(value)?.to_owned()))
    }

    fn arguments<const N: usize>(
        &self,
        argument: &Node,
        function: &str,
        line: usize,
        depth: usize,
    ) -> Result<[Node; N], Fault> {
        let mut values = Vec::new();
        for item in argument.items() {
            values.push(
                self.value(item, depth)?
                    .ok_or_else(|| Fault::new(item.line, "`AWS::NoValue` as an argument"))?,
            );
        }
        values
            .try_into()
            .map_err(|_| Fault::new(line, format!("`{function}` needs a list of {N} arguments")))
    }

    fn substitute(&self, argument: &Node, line: usize, depth: usize) -> Result<String, Fault> {
        let (template, variables) = match argument.items() {
            [] => (argument, &[][..]),
            [template, variables] => (template, variables.entries()),
            _ => return Err(Fault::new(line, "`Sub` needs a string, or a string and variables")),
        };
        let mut rest = text_of(template)?;
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(Fault::new(template.line, "`${` without `}`"));
            };
            rest = after;
            let name = name.trim();
            if let Some(literal) = name.strip_prefix('!') {
                text.push_str(&format!("${{{literal}}}"));
            } else if let Some(entry) = variables.iter().find(|entry| entry.key == name) {
                text.push_str(&self.string(&entry.value, depth)?);
            } else if let Some(value) = self.parameters.get(name) {
                text.push_str(text_of(value).map_err(|_| {
                    Fault::new(template.line, format!("`{name}` is a list, which `Sub` can't take"))
                })?);
            } else if let Some((resource, attribute)) = name.split_once('.') {
                text.push_str(&self.attribute(resource, attribute, template.line)?);
            } else {
                text.push_str(&self.reference(name, template.line)?);
            }
        }
        text.push_str(rest);
        Ok(text)
    }

    /// What `Ref` gives for a pseudo parameter or a resource.
    fn reference(&self, name: &str, line: usize) -> Result<String, Fault> {
        Ok(match name {
            "AWS::AccountId" => ACCOUNT.to_owned(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::Region" => REGION.to_owned(),
            "AWS::StackId" => {
                format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/local")
            }
            "AWS::StackName" => "local".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => {
                self.must_have_resource(name, line)?;
                name.to_owned()
            }
        })
    }

    /// What `GetAtt` gives.
    fn attribute(&self, resource: &str, attribute: &str, line: usize) -> Result<String, Fault> {
        self.must_have_resource(resource, line)?;
        Ok(match attribute {
            "Arn" => format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{resource}"),
            _ => format!("{resource}.{attribute}"),
        })
    }

    fn must_have_resource(&self, name: &str, line: usize) -> Result<(), Fault> {
        let resources = self.root.find("Resources");
        // SAM makes resources beside those written down: `Api.Stage`, `ApiStage`, `FunctionRole`.
        let known = resources.is_some_and(|resources| {
            resources.entries().iter().any(|entry| {
                name == entry.key
                    || (name.starts_with(&entry.key)
                        && entry
                            .value
                            .find("Type")
                            .and_then(Node::text)
                            .is_some_and(|kind| kind.starts_with("AWS::Serverless::")))
            })
        });
        if known {
            return Ok(());
        }
        Err(Fault::new(line, format!("`{name}` is neither a parameter nor a resource")))
    }

    fn named_condition(&self, name: &str, line: usize, depth: usize) -> Result<bool, Fault> {
        if depth > FUNCTION_DEPTH {
            return Err(Fault::new(line, "conditions that need each other"));
        }
        match self.root.find("Conditions").and_then(|conditions| conditions.find(name)) {
            Some(condition) => self.truth(condition, depth + 1),
            None => Err(Fault::new(line, format!("`{name}` is no condition of this template"))),
        }
    }

    fn truth(&self, node: &Node, depth: usize) -> Result<bool, Fault> {
        match node.entries() {
            [entry] => self.holds(&entry.key, &entry.value, entry.line, depth),
            _ => Err(Fault::new(node.line, format!("a condition can't be {}", node.kind()))),
        }
    }

    fn holds(
        &self,
        function: &str,
        argument: &Node,
        line: usize,
        depth: usize,
    ) -> Result<bool, Fault> {
        let all = || argument.items().iter().map(|item| self.truth(item, depth + 1));
        match function {
            "Condition" => self.named_condition(text_of(argument)?, line, depth),
            "Fn::Equals" => {
                let [left, right] = self.arguments(argument, function, line, depth)?;
                Ok(text_of(&left)? == text_of(&right)?)
            }
            "Fn::Not" => match argument.items() {
                [item] => Ok(!self.truth(item, depth + 1)?),
                _ => Err(Fault::new(line, "`Not` needs a list of one condition")),
            },
            "Fn::And" => Ok(all().collect::<Result<Vec<_>, _>>()?.into_iter().all(|held| held)),
            "Fn::Or" => Ok(all().collect::<Result<Vec<_>, _>>()?.into_iter().any(|held| held)),
            other => Err(Fault::new(line, format!("`{other}` is no condition"))),
        }
    }
}

fn read(name: &str, text: &str, given: &BTreeMap<String, String>) -> Result<Template, Fault> {
    let root = yaml::read(text)?;
    if !matches!(root.value, Value::Mapping(_)) || root.find("Resources").is_none() {
        return Err(Fault::new(root.line, "no CloudFormation template: it has no `Resources`"));
    }
    let mut parameters = BTreeMap::new();
    let mut stand_ins = BTreeMap::new();
    let declared = root.find("Parameters").map_or(&[][..], Node::entries);
    let names: HashSet<&str> = declared.iter().map(|entry| entry.key.as_str()).collect();
    if let Some(unknown) = given.keys().find(|name| !names.contains(name.as_str())) {
        let line = root.find("Parameters").map_or(1, |parameters| parameters.line);
        return Err(Fault::new(line, format!("`{unknown}` is no parameter of this template")));
    }
    for Entry { key, line, value: declaration } in declared {
        let kind = declaration.find("Type").and_then(Node::text).unwrap_or("String");
        let value = match (given.get(key), declaration.find("Default")) {
            (Some(value), _) => Node::string(*line, value),
            (None, Some(default)) if kind.starts_with("AWS::SSM::Parameter") => {
                let message = format!("`{key}` is kept in SSM, which can't be asked here: give it");
                return Err(Fault::new(default.line, message));
            }
            (None, Some(default)) => default.clone(),
            (None, None) => {
                let value = match kind {
                    "Number" => "0".to_owned(),
                    _ => format!("https://{}.{STAND_IN}", key.to_lowercase()),
                };
                stand_ins.insert(key.clone(), value.clone());
                Node::string(*line, value)
            }
        };
        if given.contains_key(key) {
            check_allowed(key, declaration, &value)?;
        }
        let value = match kind {
            "CommaDelimitedList" | "List<Number>" | "List<String>" => {
                let items = value.text().unwrap_or_default().split(',');
                let items = items.map(|item| Node::string(value.line, item.trim())).collect();
                Node { line: value.line, value: Value::Sequence(items) }
            }
            // A default may be written as a number or boolean; as a parameter it is text.
            _ => Node::string(value.line, value.text().unwrap_or_default()),
        };
        parameters.insert(key.clone(), value);
    }
    Ok(Template { name: name.to_owned(), root, parameters, stand_ins })
}

/// The top-level domain of URLs that stand in for parameters; RFC 2606 keeps it from leading
/// anywhere.
pub(crate) const STAND_IN: &str = "parameter.invalid";

fn check_allowed(name: &str, declaration: &Node, value: &Node) -> Result<(), Fault> {
    let text = value.text().unwrap_or_default();
    if let Some(allowed) = declaration.find("AllowedValues") {
        let values: Vec<&str> = allowed.items().iter().filter_map(Node::text).collect();
        if !values.contains(&text) {
            let message = format!("`{name}` can't be `{text}`: it is one of {}", values.join(", "));
            return Err(Fault::new(allowed.line, message));
        }
    }
    if declaration.find("Type").and_then(Node::text) == Some("Number") {
        let number: f64 = text
            .parse()
            .map_err(|_| Fault::new(value.line, format!("`{name}` can't be `{text}`: a number")))?;
        for (key, wrong) in [("MinValue", f64::lt as fn(&f64, &f64) -> bool), ("MaxValue", f64::gt)]
        {
            let Some(bound) = declaration.find(key) else { continue };
            if bound.text().and_then(|bound| bound.parse().ok()).is_some_and(|b| wrong(&number, &b))
            {
                let message = format!(
                    "`{name}` can't be `{text}`: its {key} is {}",
                    bound.text().unwrap_or_default()
                );
                return Err(Fault::new(bound.line, message));
            }
        }
    }
    Ok(())
}

/// The text of a single value.
pub(crate) fn text_of(node: &Node) -> Result<&str, Fault> {
    node.text().ok_or_else(|| {
        Fault::new(node.line, format!("{} where a single value is needed", node.kind()))
    })
}
