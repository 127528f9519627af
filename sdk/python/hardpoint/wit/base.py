"""What every interface shares: results, and the way from the host's functions to a test's double of it."""

from typing import Any

try:
    from componentize_py_types import Err
except ImportError:

    class Err(Exception):  # type: ignore[no-redef]
        """The failure of a call across the interface."""

        def __init__(self, value: Any):
            super().__init__(value)
            self.value = value


host: Any = None
"""Natively: the `hardpoint.testing.Host` that is in place."""


def call(name: str, *arguments: Any) -> Any:
    """Natively: a function of the host, played by the double."""
    if host is None:
        raise RuntimeError(f"{name}: not asked for in plugin.toml, or in a test without `hardpoint.testing.Host`")
    return getattr(host, name)(*arguments)
