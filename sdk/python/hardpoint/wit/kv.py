"""`kv`."""

try:
    from wit_world.imports.kv import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from typing import List, Optional, Union

    from . import base

    @dataclass
    class Error_Denied:
        value: str

    @dataclass
    class Error_TooLarge:
        value: str

    @dataclass
    class Error_Unavailable:
        value: str

    Error = Union[Error_Denied, Error_TooLarge, Error_Unavailable]

    def get(key: str) -> Optional[bytes]:
        return base.call("kv_get", key)

    def set(key: str, value: bytes) -> None:
        base.call("kv_set", key, value)

    def remove(key: str) -> None:
        base.call("kv_remove", key)

    def keys(prefix: str, after: Optional[str]) -> List[str]:
        return base.call("kv_keys", prefix, after)
