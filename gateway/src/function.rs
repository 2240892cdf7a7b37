//! The authorizer's Lambda function, as a template describes it: environment, time-out, memory.
//!
//! It is found by the authorizer's URI, in the template itself or in a nested one that lies beside
//! it as a file. Where it is in neither (the ARN came as a parameter), nothing is known of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::template::{Node, Template, TemplateError};

/// What a template says of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its logical name.
    pub name: String,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
    /// How long a call may take.
    pub timeout: Duration,
    /// Its memory in MB.
    pub memory: u32,
}

/// Lambda's own default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// The function that an authorizer's URI names; `directory` is where the template lies.
///
/// # Errors
/// Where the function's settings, or the nested template, can't be read.
pub fn find(
    template: &Template,
    directory: &Path,
    uri: &str,
) -> Result<Option<Function>, TemplateError> {
    if let Some((_, name)) = uri.split_once(":function:") {
        let name = name.split('/').next().unwrap_or_default();
        return own(template, name);
    }
    let Some((stack, _)) = uri.split_once(".Outputs.") else { return Ok(None) };
    nested(template, directory, stack)
}

fn own(template: &Template, name: &str) -> Result<Option<Function>, TemplateError> {
    let Some(resource) = template.resource(name)? else { return Ok(None) };
    let property = |name: &str| resource.property(name).map(|node| template.resolve(node));
    let number = |node: Option<Result<Node, TemplateError>>| -> Result<Option<u64>, TemplateError> {
        let Some(node) = node.transpose()? else { return Ok(None) };
        let number = node.text().and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| TemplateError {
            name: template.name().to_owned(),
            line: node.line,
            message: "not a number".to_owned(),
        })
    };
    let mut environment = BTreeMap::new();
    if let Some(node) = property("Environment").transpose()? {
        for entry in node.find("Variables").map_or(&[][..], Node::entries) {
            let value = entry.value.text().unwrap_or_default();
            environment.insert(entry.key.clone(), value.to_owned());
        }
    }
    let timeout = number(property("Timeout"))?.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let memory = number(property("MemorySize"))?.and_then(|memory| u32::try_from(memory).ok());
    let memory = memory.unwrap_or(128);
    Ok(Some(Function { name: name.to_owned(), environment, timeout, memory }))
}

/// The only function of a nested template.
fn nested(
    template: &Template,
    directory: &Path,
    stack: &str,
) -> Result<Option<Function>, TemplateError> {
    let Some(resource) = template.resource(stack)? else { return Ok(None) };
    let location = match resource.property("Location").or(resource.property("TemplateURL")) {
        Some(location) => template.resolve(location)?,
        None => return Ok(None),
    };
    let Some(path) = location.text().filter(|path| !path.contains("://")) else { return Ok(None) };
    let name = format!("{}", directory.join(path).display());
    let text = fs::read_to_string(directory.join(path)).map_err(|error| TemplateError {
        name: template.name().to_owned(),
        line: location.line,
        message: format!("`{name}` can't be read: {error}"),
    })?;
    let mut given = BTreeMap::new();
    if let Some(parameters) = resource.property("Parameters") {
        for entry in template.resolve(parameters)?.entries() {
            given.insert(entry.key.clone(), entry.value.text().unwrap_or_default().to_owned());
        }
    }
    let inner = Template::read(&name, &text, &given)?;
    let functions: Vec<String> = inner
        .resources()?
        .iter()
        .filter(|resource| {
            matches!(resource.kind, "AWS::Serverless::Function" | "AWS::Lambda::Function")
        })
        .map(|resource| resource.name.to_owned())
        .collect();
    match functions.as_slice() {
        [only] => own(&inner, only),
        _ => Ok(None),
    }
}
