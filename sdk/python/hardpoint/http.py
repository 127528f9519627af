"""HTTP for plugins that act: tools and retrievers. The grant is checked by the host."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .failure import Failure, FailureKind, header
from .request import Request
from .wit import http as wit
from .wit import types
from .wit.base import Err


@dataclass
class Response:
    """A whole answer."""

    status: int
    headers: list[types.Header]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 200 to 299."""
        return 200 <= self.status <= 299

    def header(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        return header(self.headers, name)

    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body from JSON. Raises `Failure` if it is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Failure(FailureKind.PROTOCOL, f"JSON: {error}") from None


def send(request: Request) -> Response:
    """Sends a request and waits for the whole answer. Redirects are answers; so is any other status. Raises
    `Failure` if there is no whole answer: not granted, no connection, a time limit, too large."""
    record = request.record()
    try:
        answer = wit.send(wit.Request(record.method, record.url, record.headers, record.body, record.compression))
    except Err as error:
        raise Failure.of_transport(types.TransportFailure(0, error.value.kind, error.value.message)) from None
    return Response(answer.status, answer.headers, answer.body)
