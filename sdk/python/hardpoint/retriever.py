"""Retrievers: documents into a knowledge base, and passages out of it."""

from __future__ import annotations

from typing import Any

from .failure import Failure, FailureKind
from .wit import documents
from .wit.base import Err
from .wit.documents import Chunk, Document, Page, Sink
from .wit.index import Filter, Ranked
from .wit.retriever import Hit, SearchRequest


class Retriever:
    """A plugin of kind `retriever`."""

    def ingest(self, document: Document, into: Sink, settings: dict[str, Any]) -> None:
        """Reads one document. Raise `Failure` with `INVALID_REQUEST` if it cannot be read, and why."""
        raise NotImplementedError

    def search(self, request: SearchRequest, settings: dict[str, Any]) -> list[Hit]:
        """Finds passages, best first. Finding nothing is no failure."""
        raise NotImplementedError

    def remove(self, document_ids: list[str], settings: dict[str, Any]) -> None:
        """Forgets documents. Nothing to do for retrievers whose chunks the host holds."""


def chunk(ordinal: int, text: str, start: int, *, page: int = 1, metadata: str | None = None) -> Chunk:
    """A passage of one page that begins at this character of it."""
    return Chunk(ordinal, text, None, page, page, start, start + len(text), metadata)


def hit(ranked: Ranked) -> Hit:
    """A hit of the host's full text alone: what it is ordered by is the BM25 score."""
    return Hit(ranked.chunk_id, ranked.document_id, None, ranked.score, None, None)


def failure_of(error: Err) -> Failure:
    """What a document or sink raised, as a failure of this plugin."""
    kind = FailureKind.INVALID_REQUEST
    if isinstance(error.value, documents.Error_Unavailable):
        kind = FailureKind.UPSTREAM
    return Failure(kind, str(getattr(error.value, "value", error.value)))


__all__ = ["Chunk", "Document", "Filter", "Hit", "Page", "Retriever", "SearchRequest", "Sink", "chunk", "hit"]
