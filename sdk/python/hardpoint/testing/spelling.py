"""JSON as the host reads, writes and compares it, which hands it to a plugin as text."""

from __future__ import annotations

import json
from decimal import Decimal
from math import isfinite
from typing import Any


def read(text: str) -> Any:
    """From JSON, the members of objects in the host's order. Raises `ValueError` for what is none."""
    return json.loads(
        text, parse_int=_whole, parse_float=_float, parse_constant=_float, object_pairs_hook=_in_order
    )


def read_or_text(text: str) -> Any:
    """From JSON where it is JSON, else as it is."""
    try:
        return read(text)
    except ValueError:
        return text


def _in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(sorted(dict(pairs).items()))


def _whole(digits: str) -> int | float:
    """Whole as far as 64 bits reach."""
    number = int(digits)
    return number if -(2**63) <= number < 2**64 and digits != "-0" else _float(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits} is no number of JSON")
    return number


def write(value: Any) -> str:
    """As JSON: no spaces, members in order of their names, `2.0` not as `2`."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{write(name)}:{write(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, float):
        # Python has an exponent from 1e-05 down, the host from 1e-6.
        is_plain = 1e-5 <= abs(value) < 1e-4
        return f"{Decimal(repr(value)):f}" if is_plain else repr(value).replace("e-0", "e-")
    return json.dumps(value, ensure_ascii=False)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: to the host `1`, `1.0` and `true` are three values, to Python one."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
