"""What a recording may hold, as `hardpoint plugin test` has it: what that refuses is refused here."""

from __future__ import annotations

import base64
from typing import Any

from . import spelling
from .shape import anything, flag, listed, mapping, named, number, or_null, or_text, record, text, variant, whole

_BASE64 = record({"base64": text}, {})


def _bytes(told: Any, where: str) -> bytes:
    """A text, or `{"base64": "…"}`."""
    return told.encode() if isinstance(told, str) else base64.b64decode(_BASE64(told, where)["base64"])


def _verdict(told: Any, where: str) -> Any:
    """Null is no verdict, and no place left out."""
    return None if told is None else _VERDICT(told, where)


_IMAGE = record({"url": text}, {"detail": or_null(text)})
_TOOL_CALL = record({"id": text, "name": text, "arguments": text}, {})
_MESSAGE = record(
    {"role": text},
    {
        "content": or_text(listed(variant(text=text, image=_IMAGE))),
        "tool_calls": listed(_TOOL_CALL),
        **dict.fromkeys(("name", "reasoning", "refusal", "tool_call_id"), or_null(text)),
    },
)
_TOOL = record(
    {"name": text},
    {"description": or_null(text), "parameters": or_null(anything), "strict": or_null(flag)},
)
_JSON_SCHEMA = record({"name": text, "schema": anything}, {"description": or_null(text), "strict": or_null(flag)})
_COMPLETION = record(
    {},
    {
        "upstream_model": text,
        "messages": listed(_MESSAGE),
        "tools": listed(_TOOL),
        "tool_choice": or_null(variant("none", "auto", "required", function=text)),
        "parallel_tool_calls": or_null(flag),
        "response_format": or_null(variant("text", "json_object", json_schema=_JSON_SCHEMA)),
        "streamed": flag,
        "max_tokens": or_null(whole),
        **dict.fromkeys(("temperature", "top_p", "frequency_penalty", "presence_penalty"), or_null(number)),
        "stop": listed(text),
        "seed": or_null(whole),
        "user": or_null(text),
        "extra": mapping,
    },
)
_EMBEDDING = record(
    {},
    {
        "upstream_model": text,
        "inputs": listed(text),
        "dimensions": or_null(whole),
        "user": or_null(text),
        "extra": mapping,
    },
)
_EVENT = record({"id": text, "kind": text, "time": whole, "body": anything}, {})
_DELIVERY = record({"events": listed(_EVENT)}, {"attempt": whole, "now": whole, "state": or_null(_bytes)})
_CALL = record({"arguments": anything}, {"kv": mapping})

_REQUEST = record(
    {"method": text, "url": text},
    {"headers": named(text), "body": or_null(anything), "gzip": flag},
)
_ANSWER = record(
    {},
    {
        "status": or_null(whole),
        "headers": named(text),
        "chunks": listed(_bytes),
        "broken": or_null(variant("denied", "connect", "timeout", "reset", "protocol")),
    },
)
_EXCHANGE = record({"request": _REQUEST, "answer": _ANSWER}, {})

_USAGE = record(
    {}, dict.fromkeys(("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"), whole)
)
_FAILURE = record(
    {},
    {
        "kind": text,
        **dict.fromkeys(("message", "code", "param"), or_null(text)),
        **dict.fromkeys(("status", "retry_after_ms"), or_null(whole)),
    },
)
_VERDICT = variant("delivered", retry_after=whole, drop=text)
_OUTCOME = record(
    {},
    {
        **dict.fromkeys(("text", "reasoning", "refusal"), text),
        **dict.fromkeys(("finish", "parked", "invalid_arguments"), or_null(text)),
        "tool_calls": listed(_TOOL_CALL),
        "vectors": listed(listed(number)),
        "usage": or_null(_USAGE),
        "verdicts": listed(_verdict),
        "split": flag,
        "saved": or_null(_bytes),
        "result": anything,
        "failure": or_null(_FAILURE),
    },
)
_RECORDING = record(
    {"about": text},
    {
        "settings": mapping,
        "completion": or_null(_COMPLETION),
        "embedding": or_null(_EMBEDDING),
        "delivery": or_null(_DELIVERY),
        "call": or_null(_CALL),
        "exchanges": listed(_EXCHANGE),
        "expect": _OUTCOME,
    },
)


def read(recording: str) -> dict[str, Any]:
    """From a file's text, without members that are null where that is the same as nothing."""
    return _RECORDING(spelling.read(recording), "the recording")
