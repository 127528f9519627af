"""`tool`."""

try:
    from wit_world.exports.tool import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from typing import Union

    @dataclass
    class Definition:
        description: str
        parameters: str

    @dataclass
    class ToolError_InvalidArguments:
        value: str

    @dataclass
    class ToolError_Failed:
        value: str

    ToolError = Union[ToolError_InvalidArguments, ToolError_Failed]
