"""`index`: the host's own index over one knowledge base."""

try:
    from wit_world.imports.index import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from typing import List, Optional, Union

    from . import base

    @dataclass
    class Error_Denied:
        value: str

    @dataclass
    class Error_Unavailable:
        value: str

    @dataclass
    class Error_Invalid:
        value: str

    Error = Union[Error_Denied, Error_Unavailable, Error_Invalid]

    @dataclass
    class Filter:
        document_ids: Optional[List[str]]
        metadata: Optional[str]

    @dataclass
    class Ranked:
        chunk_id: str
        document_id: str
        rank: int
        score: float

    def full_text(query: str, filter: Filter, top: int) -> List[Ranked]:
        return base.call("index_full_text", query, filter, top)

    def nearest(vector: List[float], filter: Filter, top: int) -> List[Ranked]:
        return base.call("index_nearest", vector, filter, top)

    def cosines(vector: List[float], chunk_ids: List[str]) -> List[Optional[float]]:
        return base.call("index_cosines", vector, chunk_ids)

    def vectors(chunk_ids: List[str]) -> List[Optional[List[float]]]:
        return base.call("index_vectors", chunk_ids)

    def texts(chunk_ids: List[str]) -> List[str]:
        return base.call("index_texts", chunk_ids)
