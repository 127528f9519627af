"""A native test harness: plugins driven from scripted answers, without WebAssembly and without a host.

- `completion`, `embedding` and `delivery` drive a machine with `Answer`s in the order of its requests, check that
  it keeps the interface's rules, and gather what came out. They do so as the script has it, then for every single
  point at which the network might have cut the answers, and require the same outcome each time.
- `call` and `describe` call a tool; `Host` stands in for the host's functions.

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
]
