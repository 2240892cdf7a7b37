"""CloudFormation templates as Python values that remember their lines.

Short forms (`!Ref`, `!Sub`, ...) become what CloudFormation makes of them ({"Ref": ...}, {"Fn::Sub": ...}). Mappings,
lists and texts carry `.line`, counted from one, and mappings know the line of each key. That is all that a test needs to
say where a template is wrong.
"""

import re

import yaml


class Map(dict):
    line = 0

    def __init__(self, line):
        super().__init__()
        self.line = line
        self.lines = {}


class List(list):
    line = 0


class Text(str):
    line = 0


def load(text):
    return _build(yaml.compose(text, Loader=yaml.SafeLoader))


def line_of(value, otherwise=0):
    return getattr(value, "line", otherwise)


def _build(node):
    line = node.start_mark.line + 1
    if node.tag.startswith("!"):
        return _intrinsic(node, line)
    if isinstance(node, yaml.MappingNode):
        result = Map(line)
        for key, value in node.value:
            name = key.value
            if name in result:
                raise ValueError(f"line {key.start_mark.line + 1}: `{name}` stands here twice")
            result[name] = _build(value)
            result.lines[name] = key.start_mark.line + 1
        return result
    if isinstance(node, yaml.SequenceNode):
        result = List(_build(item) for item in node.value)
        result.line = line
        return result
    if node.tag == "tag:yaml.org,2002:str":
        text = Text(node.value)
        text.line = line
        return text
    return yaml.SafeLoader("").construct_object(node, deep=True)


def _intrinsic(node, line):
    name = node.tag[1:]
    key = name if name in ("Ref", "Condition") else f"Fn::{name}"
    if isinstance(node, yaml.ScalarNode):
        value = Text(node.value)
        value.line = line
        if name == "GetAtt":
            value = List(node.value.split(".", 1))
            value.line = line
    else:
        plain = {yaml.MappingNode: "tag:yaml.org,2002:map", yaml.SequenceNode: "tag:yaml.org,2002:seq"}[type(node)]
        node.tag = plain
        value = _build(node)
    result = Map(line)
    result[key] = value
    result.lines[key] = line
    return result


def walk(value, path=()):
    """Every value below and including this one, with the keys that lead to it."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, path + (key,))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, path + (index,))


def line_at(value, path):
    """The line of what these keys lead to."""
    line = value.line
    for key in path:
        line = value.lines[key] if isinstance(value, Map) else line_of(value[key], line)
        value = value[key]
    return line


def references(value):
    """Names that a value refers to: by Ref, GetAtt, Condition, If or in the text of a Sub."""
    names = set()
    for path, item in walk(value):
        if not isinstance(item, dict):
            if path and path[-1] == "Condition" and isinstance(item, str):
                names.add(str(item))
            continue
        if "Ref" in item:
            names.add(str(item["Ref"]).split(".")[0])
        if "Fn::GetAtt" in item:
            names.add(str(item["Fn::GetAtt"][0]))
        if "Fn::If" in item:
            names.add(str(item["Fn::If"][0]))
        if "Fn::Sub" in item:
            text = item["Fn::Sub"][0] if isinstance(item["Fn::Sub"], list) else item["Fn::Sub"]
            names.update(name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text))
    return names


def alternatives(value):
    """What a value may turn out to be: every branch of its `Fn::If`, with the conditions that lead there."""
    if isinstance(value, dict) and list(value) == ["Fn::If"]:
        condition, then, otherwise = value["Fn::If"]
        for held, branch in ((True, then), (False, otherwise)):
            for conditions, leaf in alternatives(branch):
                yield ((str(condition), held),) + conditions, leaf
    else:
        yield (), value


def is_no_value(value):
    return isinstance(value, dict) and value.get("Ref") == "AWS::NoValue"


def resolve(value, conditions):
    """A text with its conditions decided and its parameters left as `${Name}`; None for no value."""
    if not isinstance(value, dict):
        return value
    if is_no_value(value):
        return None
    if "Fn::If" in value:
        condition, then, otherwise = value["Fn::If"]
        return resolve(then if conditions[condition] else otherwise, conditions)
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return separator.join(part for part in (resolve(part, conditions) for part in parts) if part is not None)
    if "Fn::Sub" in value:
        return value["Fn::Sub"]
    if "Ref" in value:
        return "${%s}" % value["Ref"]
    raise ValueError(f"line {value.line}: {list(value)} is nothing that these tests can resolve")
