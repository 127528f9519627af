"""Small values that outlive a call, for tools. The namespace belongs to the binding and to the organisation on
whose behalf the tool is called. Each function raises `Failure`: not granted, too large, or out of reach."""

from __future__ import annotations

from typing import Any, Callable

from .failure import Failure, FailureKind
from .wit import kv as wit
from .wit.base import Err


def get(key: str) -> bytes | None:
    """The value under `key`, where there is one."""
    return _tried(wit.get, key)


def set(key: str, value: bytes) -> None:
    """Puts `value` under `key`, in place of what was there."""
    _tried(wit.set, key, value)


def remove(key: str) -> None:
    """Forgets `key`; no error where there is none."""
    _tried(wit.remove, key)


def keys(prefix: str = "", after: str | None = None) -> list[str]:
    """Keys that start with `prefix`, in byte order, after `after`; at most 1,000."""
    return _tried(wit.keys, prefix, after)


def _tried(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except Err as error:
        raise Failure(FailureKind.UNSUPPORTED, error.value.value) from None
