"""What a script answers, and what was sent."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Iterator

from ..wit import types
from ..wit.types import TransportFailureKind

_TOLD = {
    TransportFailureKind.DENIED: "not granted",
    TransportFailureKind.CONNECT: "could not connect",
    TransportFailureKind.TIMEOUT: "took too long",
    TransportFailureKind.RESET: "the connection broke",
    TransportFailureKind.PROTOCOL: "no HTTP",
}

_HOSTS_OWN = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}


@dataclass
class Answer:
    """A recorded answer to one request."""

    status: int = 200
    """0 for a request that got none."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | str = b""
    broken: TransportFailureKind | None = None
    """How the connection failed after the body, if it did."""

    @classmethod
    def json(cls, status: int, value: Any, headers: dict[str, str] | None = None) -> Answer:
        """A JSON answer."""
        return cls(status, {"content-type": "application/json", **(headers or {})}, json.dumps(value))

    @classmethod
    def sse(cls, text: str) -> Answer:
        """A stream of server-sent events."""
        return cls(200, {"content-type": "text/event-stream"}, text)

    @classmethod
    def failed(cls, kind: TransportFailureKind) -> Answer:
        """No answer at all."""
        return cls(0, broken=kind)

    @property
    def bytes(self) -> bytes:
        """The whole body."""
        return self.body.encode() if isinstance(self.body, str) else self.body

    @property
    def head(self) -> list[types.Header]:
        """The headers as the interface has them."""
        return [types.Header(name.lower(), value.encode()) for name, value in self.headers.items()]

    @property
    def told(self) -> str:
        """For people, how the connection failed."""
        return _TOLD[self.broken] if self.broken is not None else ""

    def observations(self, exchange: int, borders: list[int]) -> Iterator[types.Observation]:
        """As a machine sees it, cut at these places."""
        if self.status:
            yield types.Observation_Head(types.ResponseHead(exchange, self.status, self.head))
        whole = self.bytes
        inside = [border for border in borders if border < len(whole)]
        for start, end in zip([0, *inside], [*inside, len(whole)]):
            if start < end:
                yield types.Observation_Body(types.BodyBytes(exchange, whole[start:end]))
        if self.broken is None:
            yield types.Observation_Ended(exchange)
        else:
            yield types.Observation_Broken(types.TransportFailure(exchange, self.broken, self.told))


@dataclass(frozen=True)
class Sent:
    """A request that a plugin sent. Secrets are shown as `{secret:NAME}` or `{secret:NAME|ENCODING}`."""

    exchange: int
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str
    gzip: bool

    def header(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        return next((value for found, value in self.headers if found == name), None)

    def json(self) -> Any:
        """The body from JSON."""
        return json.loads(self.body)

    @classmethod
    def check(cls, request: Any, exchange: int = 0) -> Sent:
        """Checks what the host would check."""
        assert re.fullmatch("[A-Z]+", request.method), f"`{request.method}` is no method in capitals"
        assert re.fullmatch(r"https?://[!-.0-~][!-~]*", request.url), f"`{request.url}` is no absolute URL"
        headers = []
        for header in request.headers:
            name, value = header.name.lower(), _show(header.value)
            assert name not in _HOSTS_OWN, f"the header `{name}` is the host's"
            assert re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", name), f"`{name}` is no header name"
            assert not re.search(r"[\r\n\0]", value), f"the value of `{name}` breaks the line"
            headers.append((name, value))
        gzip = request.compression == types.Compression.GZIP
        return cls(exchange, request.method, request.url, tuple(headers), _show(request.body), gzip)


def _show(parts: list[types.Part]) -> str:
    out = b""
    for part in parts:
        if isinstance(part, types.Part_Bytes):
            assert isinstance(part.value, bytes), f"{part.value!r} is not bytes"
            out += part.value
        else:
            encoding = part.value.encoding.name.lower()
            out += f"{{secret:{part.value.name}{'' if encoding == 'raw' else '|' + encoding}}}".encode()
    return out.decode(errors="replace")
