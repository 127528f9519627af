"""`retriever`."""

try:
    from wit_world.exports.retriever import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from typing import Optional

    from . import index

    @dataclass
    class SearchRequest:
        query: str
        top: int
        filter: index.Filter
        hybrid: bool

    @dataclass
    class Hit:
        chunk_id: str
        document_id: str
        cosine: Optional[float]
        fused: float
        text: Optional[str]
        metadata: Optional[str]
