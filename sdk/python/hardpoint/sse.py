"""Server-sent events, decoded from bytes that the network cut anywhere.

After the WHATWG's "Interpreting an event stream": lines end in `\\n`, `\\r\\n` or `\\r`, a leading byte order mark
is skipped, comments are ignored, `data` lines are joined by `\\n`, and a blank line ends an event. `id` and
`retry`, which are for reconnecting, are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

from .failure import Failure, FailureKind

_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Event:
    """One event. What is not UTF-8 was replaced."""

    name: str
    """The `event` field; empty where there is none."""
    data: str
    """The `data` lines, joined by line feeds."""


class Decoder:
    """An incremental decoder: `for event in decoder.feed(piece)`."""

    def __init__(self, limit: int = 1 << 20):
        """An event, or a line, may have `limit` bytes."""
        self._limit = limit
        self._bytes = bytearray()
        self._searched = 0
        self._size = 0
        self._at_start = True
        self._after_cr = False
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Takes a piece of the body and gives the events that it completes. An event that the stream's end cut
        off never is. Raises `Failure` where one is too large."""
        self._bytes += piece
        if self._at_start and not self._skip_mark():
            return
        while (line := self._line()) is not None:
            if line:
                self._field(line)
            elif self._data:
                event = Event(self._name, "\n".join(self._data))
                self._forget()
                yield event
            else:
                # An event without data is none, whatever its name.
                self._forget()
        self._check(len(self._bytes))

    @property
    def is_within_event(self) -> bool:
        """Whether bytes of an unfinished event are there: at the end of a stream, that it was cut off."""
        return bool(self._data or self._bytes)

    def _skip_mark(self) -> bool:
        """False if more bytes are needed to tell."""
        if len(self._bytes) < len(_MARK) and _MARK.startswith(self._bytes):
            return False
        self._at_start = False
        if self._bytes.startswith(_MARK):
            del self._bytes[: len(_MARK)]
        return True

    def _line(self) -> bytes | None:
        """The next whole line, without its end."""
        held = self._bytes
        if self._after_cr and held:
            self._after_cr = False
            if held[0] == 0x0A:
                del held[0]
        lf = held.find(b"\n", self._searched)
        cr = held.find(b"\r", self._searched, lf if lf >= 0 else len(held))
        end = cr if cr >= 0 else lf
        if end < 0:
            self._searched = len(held)
            return None
        self._searched = 0
        self._after_cr = end == cr
        line = bytes(held[:end])
        del held[: end + 1]
        self._check(len(line))
        return line

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if name == b"data":
            self._size += len(line)
            self._check(0)
            self._data.append(value.decode(errors="replace"))
        elif name == b"event":
            self._name = value.decode(errors="replace")

    def _check(self, more: int) -> None:
        if self._size + more > self._limit:
            raise Failure(FailureKind.PROTOCOL, f"an event of the stream is larger than {self._limit} bytes")

    def _forget(self) -> None:
        self._name, self._data, self._size = "", [], 0
