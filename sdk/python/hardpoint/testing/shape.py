"""Of what shape a file is. A reader gets what was told and where, fails if it is of another shape, and gives it."""

from __future__ import annotations

from typing import Any, Callable

Reader = Callable[[Any, str], Any]

_LEFT_OUT = object()


def anything(told: Any, where: str) -> Any:
    """Any JSON, null included."""
    return told


def _exactly(kind: type, what: str) -> Reader:
    def read(told: Any, where: str) -> Any:
        # Of exactly this type: to Python a boolean is a whole number.
        assert type(told) is kind, f"{where} is {told!r}, not {what}"
        return told

    return read


text = _exactly(str, "a text")
flag = _exactly(bool, "true or false")
whole = _exactly(int, "a whole number")
mapping = _exactly(dict, "an object")
_list = _exactly(list, "a list")


def number(told: Any, where: str) -> float:
    """A number, whole or not, which the interface has as a float."""
    assert type(told) in (int, float), f"{where} is {told!r}, not a number"
    return float(told)


def listed(item: Reader) -> Reader:
    """A list of these."""
    return lambda told, where: [item(one, f"{where}[{at}]") for at, one in enumerate(_list(told, where))]


def named(value: Reader) -> Reader:
    """An object of any members, each of these."""
    return lambda told, where: {name: value(one, f"{where}.{name}") for name, one in mapping(told, where).items()}


def or_text(other: Reader) -> Reader:
    """A text, or this."""
    return lambda told, where: told if isinstance(told, str) else other(told, where)


def or_null(other: Reader) -> Reader:
    """This; a member that is null is one that was left out."""
    return lambda told, where: _LEFT_OUT if told is None else other(told, where)


def variant(*words: str, **holding: Reader) -> Reader:
    """One of these words, or an object of one of these members."""

    def read(told: Any, where: str) -> Any:
        if isinstance(told, str) and told in words:
            return told
        is_held = isinstance(told, dict) and len(told) == 1 and told.keys() <= holding.keys()
        assert is_held, f"{where} is {told!r}, and may be {', '.join([*words, *holding])}"
        return {name: holding[name](held, f"{where}.{name}") for name, held in told.items()}

    return read


def record(must: dict[str, Reader], may: dict[str, Reader]) -> Reader:
    """An object of members that must be there and members that may."""

    def read(told: Any, where: str) -> Any:
        given, known = mapping(told, where), must | may
        for name in given:
            assert name in known, f"{where} has no `{name}`; there are {', '.join(known)}"
        for name in must:
            assert name in given, f"{where} lacks `{name}`"
        found = {name: known[name](held, f"{where}.{name}") for name, held in given.items()}
        return {name: held for name, held in found.items() if held is not _LEFT_OUT}

    return read
