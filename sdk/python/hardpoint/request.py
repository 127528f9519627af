"""HTTP requests for the host to make, with secrets named but never held."""

from __future__ import annotations

import json as json_module
from dataclasses import dataclass, field
from typing import Any, Sequence, Union

from .wit import types
from .wit.types import SecretEncoding


@dataclass(frozen=True)
class Secret:
    """A secret where a piece of a header or body is wanted."""

    name: str
    encoding: SecretEncoding = SecretEncoding.RAW


Piece = Union[str, bytes, Secret]
"""A piece of a header value or of a body."""

Pieces = Union[Piece, Sequence[Piece]]
"""One piece, or several that the host joins without anything in between."""


def secret(name: str, encoding: str = "raw") -> Secret:
    """A reference to the secret that the manifest asks for under this name. `encoding` is how the host writes
    it: `raw`, `json` (inside a JSON string), `base64` or `url`."""
    return Secret(name, SecretEncoding[encoding.upper()])


@dataclass
class Request:
    """A request. A machine yields it by `send`; a tool sends it by `hardpoint.http.send`."""

    method: str
    url: str
    headers: dict[str, Pieces] = field(default_factory=dict)
    body: Pieces = b""
    gzip: bool = False
    """Lets the host compress the body."""
    exchange: int = 0
    """The number that observations about it carry. A machine with several under way gives each its own."""

    def record(self) -> types.HttpRequest:
        """As the interface has it."""
        headers = [types.RequestHeader(name, _parts(value)) for name, value in self.headers.items()]
        compression = types.Compression.GZIP if self.gzip else types.Compression.NONE
        return types.HttpRequest(
            self.exchange, self.method, self.url, headers, _parts(self.body), compression
        )


def get(url: str, *, headers: dict[str, Pieces] | None = None, exchange: int = 0) -> Request:
    """A GET request."""
    return Request("GET", url, dict(headers or {}), exchange=exchange)


def post(
    url: str,
    *,
    headers: dict[str, Pieces] | None = None,
    body: Pieces = b"",
    json: Any = None,
    gzip: bool = False,
    exchange: int = 0,
) -> Request:
    """A POST request. `json`, where it is given, becomes the body, and `content-type` with it."""
    headers = dict(headers or {})
    if json is not None:
        headers["content-type"] = "application/json"
        body = json_module.dumps(json, ensure_ascii=False, separators=(",", ":"))
    return Request("POST", url, headers, body, gzip, exchange)


def _parts(pieces: Pieces) -> list[types.Part]:
    if isinstance(pieces, (str, bytes, Secret)):
        pieces = [pieces]
    return [_part(piece) for piece in pieces if piece != b"" and piece != ""]


def _part(piece: Piece) -> types.Part:
    if isinstance(piece, Secret):
        return types.Part_Secret(types.SecretReference(piece.name, piece.encoding))
    return types.Part_Bytes(piece.encode() if isinstance(piece, str) else bytes(piece))
