"""`embed`: the embedder that the knowledge base is pinned to."""

try:
    from wit_world.imports.embed import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from enum import Enum
    from typing import List, Union

    from . import base

    class Purpose(Enum):
        QUERY = 0
        PASSAGE = 1

    @dataclass
    class Error_Denied:
        value: str

    @dataclass
    class Error_NotLoaded:
        pass

    @dataclass
    class Error_Unavailable:
        value: str

    Error = Union[Error_Denied, Error_NotLoaded, Error_Unavailable]

    def vectors(texts: List[str], purpose: Purpose) -> List[List[float]]:
        return base.call("embed_vectors", texts, purpose)
