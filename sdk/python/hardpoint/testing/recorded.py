"""Between a recording's words and the interface's types."""

from __future__ import annotations

import base64
import struct
from enum import Enum
from typing import Any

from ..failure import Failure
from ..wit import model_adapter as wit
from ..wit.types import TransportFailureKind
from . import machines, spelling
from .answers import Answer


def answer(told: Any) -> Answer:
    """What a request is answered."""
    broken = TransportFailureKind[told["broken"].upper()] if "broken" in told else None
    return Answer(told.get("status", 0), told.get("headers", {}), b"".join(told.get("chunks", [])), broken)


def completion_request(told: Any) -> wit.CompletionRequest:
    """What a model is asked."""
    members = told | {"tools": [_record(wit.ToolDefinition, tool) for tool in told.get("tools", [])]}
    for name, prefix in (("tool_choice", "ToolChoice"), ("response_format", "ResponseFormat")):
        if name in told:
            members[name] = _variant(prefix, told[name])
    members["extra"] = extra(told)
    messages = [_message(message) for message in members.pop("messages", [])]
    return machines.completion_request(members.pop("upstream_model", ""), messages, **members)


def extra(told: Any) -> str | None:
    """Further members of a request, as text; nothing where there are none."""
    return spelling.write(told["extra"]) if told.get("extra") else None


def _message(told: Any) -> wit.Message:
    content = told.get("content", [])
    parts = [{"text": content}] if isinstance(content, str) else content
    members = {"role": wit.Role[told["role"].upper()], "content": [_variant("ContentPart", part) for part in parts]}
    members["tool_calls"] = [_record(wit.ToolCall, call) for call in told.get("tool_calls", [])]
    return _record(wit.Message, told | members)


def _variant(prefix: str, told: Any) -> Any:
    """A variant: a word, or one member with what it holds."""
    [(name, held)] = {told: None}.items() if isinstance(told, str) else told.items()
    camel = name.title().replace("_", "")
    kind = getattr(wit, f"{prefix}_{camel}", None) or getattr(wit, f"{prefix}_{camel}_")
    records = {"image": wit.Image, "json_schema": wit.JsonSchemaFormat}
    return kind() if held is None else kind(_record(records[name], held) if name in records else held)


def _record(kind: Any, told: Any) -> Any:
    """A record. A schema is text in the interface and JSON in a recording; what is left out is nothing."""
    text = {name: spelling.write(told[name]) for name in ("parameters", "schema") if name in told}
    return kind(**({name: None for name in kind.__dataclass_fields__} | told | text))


def outcome(members: dict[str, Any]) -> dict[str, Any]:
    """What came of it in a recording's words, without what is empty."""
    words = {name: value if name == "result" else _word(value) for name, value in members.items()}
    usage = dict.fromkeys(wit.Usage.__dataclass_fields__, 0) | (words.get("usage") or {})
    # Of an embedding that counts nothing the host has zeros.
    words["usage"] = usage if any(usage.values()) else None
    words["vectors"] = [[_narrow(number) for number in vector] for vector in words.get("vectors", [])]
    return {name: value for name, value in words.items() if name == "result" or value not in (None, "", [], False)}


def _narrow(number: float) -> float:
    """As wide as vectors are: 32 bits."""
    return struct.unpack("f", struct.pack("f", number))[0]


def _word(value: Any) -> Any:
    if isinstance(value, (wit.Usage, wit.ToolCall, Failure)):
        value = {name: member for name, member in vars(value).items() if member is not None}
    if isinstance(value, dict):
        return {name: _word(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_word(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    return value.name.lower() if isinstance(value, Enum) else value
