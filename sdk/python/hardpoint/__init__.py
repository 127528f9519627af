"""Write Hardpoint plugins in Python.

`plugin.py` has one module-level name, `plugin`: an object of a class derived from `hardpoint.tool.Tool`,
`hardpoint.model.ModelAdapter`, `hardpoint.exporter.Exporter` or `hardpoint.retriever.Retriever`. Modules are
imported once, when the component is built; every call then starts from that state.

No plugin ever holds a secret: it names one, by `secret`, in a header or body, and the host writes it there.
"""

from .failure import Failure, FailureKind, header, retry_after_ms
from .machine import Machine, again, send
from .request import Request, get, post, secret

__all__ = [
    "Failure",
    "FailureKind",
    "Machine",
    "Request",
    "again",
    "get",
    "header",
    "post",
    "retry_after_ms",
    "secret",
    "send",
]
