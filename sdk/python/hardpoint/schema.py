"""Checks values against the part of JSON Schema that arguments of tools are written in."""

from __future__ import annotations

from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def fill(schema: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """The value with the defaults of members that it leaves out."""
    defaults = {
        name: member["default"]
        for name, member in schema.get("properties", {}).items()
        if "default" in member
    }
    return {**defaults, **value}


def problem(schema: dict[str, Any], value: Any, place: str = "") -> str | None:
    """Where the value does not fit, and why; none if it does. Keywords that are not known are left alone."""
    where = f"{place}: " if place else ""
    types = schema.get("type")
    if types is not None and not any(_is(value, name) for name in ([types] if isinstance(types, str) else types)):
        return f"{where}expected {types if isinstance(types, str) else ' or '.join(types)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where}expected one of {', '.join(map(repr, schema['enum']))}"
    if isinstance(value, dict):
        return _object_problem(schema, value, place)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            if found := problem(schema["items"], item, f"{place}[{index}]"):
                return found
    size = len(value) if isinstance(value, (str, list)) else value
    if isinstance(size, (int, float)) and not isinstance(size, bool):
        for at_least, at_most in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
            if size < schema.get(at_least, size):
                return f"{where}at least {schema[at_least]}"
            if size > schema.get(at_most, size):
                return f"{where}at most {schema[at_most]}"
    return None


def _object_problem(schema: dict[str, Any], value: dict[str, Any], place: str) -> str | None:
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            return f"{place + ': ' if place else ''}`{name}` is missing"
    for name, member in value.items():
        if name in properties:
            if found := problem(properties[name], member, f"{place}.{name}" if place else name):
                return found
        elif schema.get("additionalProperties") is False:
            return f"{place + ': ' if place else ''}`{name}` is not known"
    return None


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, (object,)))
