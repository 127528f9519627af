"""Failures, and what an HTTP status says about one."""

from __future__ import annotations

import re

from .wit import types
from .wit.types import FailureKind

_DAY_MS = 86_400_000
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")


class Failure(Exception):
    """Why something failed. Raised in a machine it ends the exchange, and the host decides by its kind whether
    to try again; raised in a tool, the model that called is told its message."""

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        status: int | None = None,
        retry_after_ms: int | None = None,
        code: str | None = None,
        param: str | None = None,
    ):
        super().__init__(message)
        self.kind = kind
        # Often it is another exception; the interface takes text alone.
        self.message = str(message)
        self.status = status
        self.retry_after_ms = retry_after_ms
        self.code = code
        self.param = param

    @classmethod
    def of_status(cls, status: int, message: str, *, retry_after_ms: int | None = None) -> Failure:
        """The failure that a status outside 200 to 299 stands for."""
        return cls(kind_of_status(status), message, status=status, retry_after_ms=retry_after_ms)

    @classmethod
    def of_transport(cls, failure: types.TransportFailure) -> Failure:
        """The host knows what happened to the connection and decides by that; the kind is the nearest."""
        kinds = {
            types.TransportFailureKind.DENIED: FailureKind.UNSUPPORTED,
            types.TransportFailureKind.PROTOCOL: FailureKind.PROTOCOL,
        }
        return cls(kinds.get(failure.kind, FailureKind.UPSTREAM), failure.message)

    def record(self) -> types.Failure:
        """As the interface has it."""
        return types.Failure(
            self.kind, self.message, self.status, self.retry_after_ms, self.code, self.param
        )


def kind_of_status(status: int) -> FailureKind:
    """What a status means where a provider's documents do not say otherwise. A model or path that is not there
    is the binding's trouble, not the caller's: `unsupported`, so that the host may fall back."""
    if status in (401, 402, 403, 407):
        return FailureKind.AUTHENTICATION
    if status in (404, 405, 410, 501):
        return FailureKind.UNSUPPORTED
    if status in (408, 425, 503, 529):
        return FailureKind.OVERLOADED
    if status == 429:
        return FailureKind.RATE_LIMITED
    if 400 <= status <= 499:
        return FailureKind.INVALID_REQUEST
    if 500 <= status <= 599:
        return FailureKind.UPSTREAM
    return FailureKind.PROTOCOL


def header(headers: list[types.Header], name: str) -> str | None:
    """The first value of a header, by its lower-case name; none if it is not UTF-8."""
    for found in headers:
        if found.name == name:
            try:
                return found.value.decode()
            except UnicodeDecodeError:
                return None
    return None


def retry_after_ms(headers: list[types.Header]) -> int | None:
    """How long an answer asks to wait: `retry-after-ms`, else `retry-after` in seconds. A date counts as
    nothing, since a plugin has no clock; absurd values are cut to a day."""
    for name, unit in (("retry-after-ms", 1), ("retry-after", 1000)):
        text = (header(headers, name) or "").strip()
        if _NUMBER.fullmatch(text):
            return int(min(float(text) * unit, _DAY_MS))
    return None
