"""The embedder that the knowledge base is pinned to, for retrievers."""

from __future__ import annotations

from .failure import Failure, FailureKind
from .wit import embed as wit
from .wit.base import Err
from .wit.embed import Purpose


def vectors(texts: list[str], purpose: Purpose) -> list[list[float]] | None:
    """A vector for each text, in order; none where no embedder is loaded: go by full text alone. Raises
    `Failure`: not granted, or out of reach."""
    try:
        return wit.vectors(texts, purpose)
    except Err as error:
        if isinstance(error.value, wit.Error_NotLoaded):
            return None
        denied = isinstance(error.value, wit.Error_Denied)
        raise Failure(FailureKind.UNSUPPORTED if denied else FailureKind.UPSTREAM, error.value.value) from None


__all__ = ["Purpose", "vectors"]
