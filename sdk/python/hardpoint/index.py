"""The host's index over the knowledge base that a retriever is called for. Each function raises `Failure`: not
granted, out of reach, or a query that cannot be served."""

from __future__ import annotations

from typing import Any, Callable

from .failure import Failure, FailureKind
from .wit import index as wit
from .wit.base import Err
from .wit.index import Filter, Ranked


def full_text(query: str, filter: Filter, top: int) -> list[Ranked]:
    """Full text, by BM25, best first."""
    return _tried(wit.full_text, query, filter, top)


def nearest(vector: list[float], filter: Filter, top: int) -> list[Ranked]:
    """By cosine of the vectors, best first."""
    return _tried(wit.nearest, vector, filter, top)


def cosines(vector: list[float], chunk_ids: list[str]) -> list[float | None]:
    """The cosine of each chunk with `vector`; none where a chunk has no vector yet."""
    return _tried(wit.cosines, vector, chunk_ids)


def vectors(chunk_ids: list[str]) -> list[list[float] | None]:
    """The vector of each chunk, of length 1; none where a chunk has no vector yet. At most 100 at once."""
    return _tried(wit.vectors, chunk_ids)


def texts(chunk_ids: list[str]) -> list[str]:
    """The texts of chunks, in the order asked for."""
    return _tried(wit.texts, chunk_ids)


def _tried(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except Err as error:
        kinds = {wit.Error_Denied: FailureKind.UNSUPPORTED, wit.Error_Unavailable: FailureKind.UPSTREAM}
        kind = kinds.get(type(error.value), FailureKind.INVALID_REQUEST)
        raise Failure(kind, error.value.value) from None


__all__ = ["Filter", "Ranked", "cosines", "full_text", "nearest", "texts", "vectors"]
