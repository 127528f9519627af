"""Tools, called."""

from __future__ import annotations

import json
from typing import Any

from .. import tool as tools
from ..failure import Failure, FailureKind
from ..tool import InvalidArguments, Tool
from ..wit import tool as wit
from ..wit.base import Err
from . import spelling


def call(tool: Tool, arguments: Any, settings: dict[str, Any] | None = None) -> Any:
    """The answer of a call, from JSON where it is JSON. Raises `InvalidArguments` or `Failure` as the tool did."""
    try:
        answer = tools.call(tool, json.dumps(arguments), json.dumps(settings or {}))
    except Err as error:
        if isinstance(error.value, wit.ToolError_InvalidArguments):
            raise InvalidArguments(error.value.value) from None
        raise Failure(FailureKind.UPSTREAM, error.value.value) from None
    assert isinstance(answer, str), f"{answer!r} is no text"
    return spelling.read_or_text(answer)


def describe(tool: Tool, settings: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """Description and parameters, as a model sees them."""
    definition = tools.describe(tool, json.dumps(settings or {}))
    return definition.description, json.loads(definition.parameters)
