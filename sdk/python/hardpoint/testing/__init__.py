"""A native test harness: plugins driven from scripted answers, without WebAssembly and without a host.

- `completion`, `embedding` and `delivery` drive a machine with `Answer`s in the order of its requests, check that
  it keeps the interface's rules, and gather what came out. They do so as the script has it, then for every point
  at which the network might have cut the answers (of long ones, the first 400), and require the same outcome each
  time.
- `call` and `describe` call a tool; `Host` stands in for the host's functions.
- `replay` replays a recording: what is asked, the other side's answers, and what must come of it, in one file, which
  `hardpoint plugin test` replays in the real sandbox and `hardpoint plugin record` makes from a live exchange.

Everything here fails by `AssertionError` where a plugin breaks a rule or a script does not fit.
"""

from .answers import Answer, Sent
from .host import Host, MemoryDocument, MemorySink
from .machines import (
    Completed,
    Delivered,
    EmbeddingDone,
    completion,
    completion_request,
    delivery,
    embedding,
    event,
    message,
)
from .replay import replay
from .tools import call, describe

__all__ = [
    "Answer",
    "Completed",
    "Delivered",
    "EmbeddingDone",
    "Host",
    "MemoryDocument",
    "MemorySink",
    "Sent",
    "call",
    "completion",
    "completion_request",
    "delivery",
    "describe",
    "embedding",
    "event",
    "message",
    "replay",
]
