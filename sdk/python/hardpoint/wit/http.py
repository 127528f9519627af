"""`http`."""

try:
    from wit_world.imports.http import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from typing import List

    from . import base, types

    @dataclass
    class Request:
        method: str
        url: str
        headers: List[types.RequestHeader]
        body: List[types.Part]
        compression: types.Compression

    @dataclass
    class Response:
        status: int
        headers: List[types.Header]
        body: bytes

    @dataclass
    class Error:
        kind: types.TransportFailureKind
        message: str

    def send(request: Request) -> Response:
        return base.call("http_send", request)
