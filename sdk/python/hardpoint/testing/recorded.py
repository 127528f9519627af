"""Between a recording's words and the interface's types."""

from __future__ import annotations

import base64
import json
import struct
from enum import Enum
from typing import Any

from ..failure import Failure
from ..wit import model_adapter as wit
from ..wit.types import TransportFailureKind
from . import machines
from .answers import Answer


def compact(value: Any) -> str:
    """JSON as the host writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def data(told: Any) -> bytes:
    """A text, or `{"base64": "…"}`."""
    return told.encode() if isinstance(told, str) else base64.b64decode(told["base64"])


def answer(told: Any) -> Answer:
    """What a request is answered."""
    broken = TransportFailureKind[told["broken"].upper()] if "broken" in told else None
    return Answer(told.get("status", 0), told.get("headers", {}), b"".join(map(data, told.get("chunks", []))), broken)


def completion_request(told: Any) -> wit.CompletionRequest:
    """What a model is asked."""
    members = told | {"tools": [_record(wit.ToolDefinition, tool) for tool in told.get("tools", [])]}
    for name, prefix in (("tool_choice", "ToolChoice"), ("response_format", "ResponseFormat")):
        if name in told:
            members[name] = _variant(prefix, told[name])
    if "extra" in told:
        members["extra"] = compact(told["extra"])
    messages = [_message(message) for message in members.pop("messages", [])]
    return machines.completion_request(members.pop("upstream_model", ""), messages, **members)


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
    text = {name: compact(told[name]) for name in ("parameters", "schema") if name in told}
    return kind(**({name: None for name in kind.__dataclass_fields__} | told | text))


def outcome(members: dict[str, Any]) -> dict[str, Any]:
    """What came of it in a recording's words, without what is empty."""
    words = {name: value if name == "result" else _word(value) for name, value in members.items()}
    if words.get("usage"):
        words["usage"] = dict.fromkeys(wit.Usage.__dataclass_fields__, 0) | words["usage"]
    return {name: value for name, value in words.items() if name == "result" or value not in (None, "", [], False)}


def _word(value: Any) -> Any:
    if isinstance(value, (wit.Usage, wit.ToolCall, Failure)):
        value = {name: member for name, member in vars(value).items() if member is not None}
    if isinstance(value, dict):
        return {name: _word(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_word(item) for item in value]
    if isinstance(value, float):
        # Vectors are 32 bits wide.
        return struct.unpack("f", struct.pack("f", value))[0]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    return value.name.lower() if isinstance(value, Enum) else value
