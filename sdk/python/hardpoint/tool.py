"""Tools: functions that a model or a client may call."""

from __future__ import annotations

import json
from typing import Any

from . import schema
from .failure import Failure
from .settings import parse
from .wit import tool as wit
from .wit.base import Err


class InvalidArguments(Exception):
    """The arguments do not fit. Says which and why, so that a model can mend its call."""


class Tool:
    """A plugin of kind `tool`."""

    description: str = ""
    """What the tool does and when to use it, for the model."""

    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    """A JSON Schema of the arguments. A call whose arguments do not fit is answered without `call`."""

    def call(self, arguments: dict[str, Any], settings: dict[str, Any]) -> Any:
        """Answers a call: text, or a value that becomes JSON. Raise `InvalidArguments` or `Failure`."""
        raise NotImplementedError

    def define(self, settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Description and parameters. The class's own, unless written: settings may change them."""
        return self.description, self.parameters


def describe(tool: Tool, settings: str) -> wit.Definition:
    """What the interface calls `describe`."""
    try:
        description, parameters = tool.define(parse(settings))
    except Exception as error:
        # The interface's error is a text.
        raise Err(str(error) or repr(error)) from None
    return wit.Definition(description, json.dumps(parameters, ensure_ascii=False))


def call(tool: Tool, arguments: str, settings: str) -> str:
    """What the interface calls `call`."""
    try:
        return _answer(tool, arguments, settings)
    except InvalidArguments as error:
        raise Err(wit.ToolError_InvalidArguments(str(error))) from None
    except Failure as failure:
        raise Err(wit.ToolError_Failed(failure.message)) from None


def _answer(tool: Tool, arguments: str, settings: str) -> str:
    given = parse(settings)
    try:
        # Some models leave out the braces where nothing is required.
        value = json.loads(arguments) if arguments.strip() else {}
    except ValueError as error:
        raise InvalidArguments(f"no JSON: {error}") from None
    _, parameters = tool.define(given)
    if found := schema.problem({"type": "object", **parameters}, value):
        raise InvalidArguments(found)
    answer = tool.call(schema.fill(parameters, value), given)
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
