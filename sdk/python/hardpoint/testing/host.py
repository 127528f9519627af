"""A double of the host, and documents in memory."""

from __future__ import annotations

from typing import Any, Callable

from ..wit import base, documents, embed, http, index, kv, types
from ..wit.base import Err
from .answers import Answer, Sent


class Host:
    """Stands in for the host while a `with` block lasts: scripted `http`, a `kv` and a `log` in memory, and, where
    they are set, an index and an embedder.

    >>> with Host(Answer.json(200, {})) as host: ...
    """

    def __init__(
        self,
        *answers: Answer,
        values: dict[str, bytes] | None = None,
        search: Callable[[Any, index.Filter, int], list[index.Ranked]] | None = None,
        texts: dict[str, str] | None = None,
        embedder: Callable[[list[str], embed.Purpose], list[list[float]]] | None = None,
    ):
        """`search` gets a query's text, or its vector."""
        self.sent: list[Sent] = []
        self.log: list[tuple[str, str]] = []
        self.values = dict(values or {})
        self._answers = list(answers)
        self._search = search
        self._texts = texts or {}
        self._embedder = embedder

    def __enter__(self) -> Host:
        assert base.host is None, "there is a double of the host already"
        base.host = self
        return self

    def __exit__(self, *_: Any) -> None:
        base.host = None

    def http_send(self, request: http.Request) -> http.Response:
        self.sent.append(Sent.check(request))
        if not self._answers:
            denied = types.TransportFailureKind.DENIED
            raise Err(http.Error(denied, f"the script has no answer to request {len(self.sent)}"))
        answer = self._answers.pop(0)
        if answer.broken is not None:
            raise Err(http.Error(answer.broken, answer.told))
        return http.Response(answer.status, answer.head, answer.bytes)

    def kv_get(self, key: str) -> bytes | None:
        return self.values.get(key)

    def kv_set(self, key: str, value: bytes) -> None:
        if len(key.encode()) > 512 or len(value) > 64 * 1024:
            raise Err(kv.Error_TooLarge("a key over 512 bytes or a value over 64 KiB"))
        self.values[key] = value

    def kv_remove(self, key: str) -> None:
        self.values.pop(key, None)

    def kv_keys(self, prefix: str, after: str | None) -> list[str]:
        found = sorted(self.values, key=str.encode)
        return [key for key in found if key.startswith(prefix) and (after is None or key > after)][:1000]

    def log_write(self, level: Any, message: str) -> None:
        self.log.append((level.name.lower(), message))

    def index_full_text(self, query: str, filter: index.Filter, top: int) -> list[index.Ranked]:
        return self._found(query, filter, top)

    def index_nearest(self, vector: list[float], filter: index.Filter, top: int) -> list[index.Ranked]:
        return self._found(vector, filter, top)

    def index_cosines(self, vector: list[float], chunk_ids: list[str]) -> list[float | None]:
        if self._embedder is None:
            return [None for _ in chunk_ids]
        others = self._embedder(self.index_texts(chunk_ids), embed.Purpose.PASSAGE)
        return [_cosine(vector, other) for other in others]

    def index_vectors(self, chunk_ids: list[str]) -> list[list[float] | None]:
        if self._embedder is None:
            return [None for _ in chunk_ids]
        return [_of_length_1(vector) for vector in self._embedder(self.index_texts(chunk_ids), embed.Purpose.PASSAGE)]

    def index_texts(self, chunk_ids: list[str]) -> list[str]:
        for chunk_id in chunk_ids:
            if chunk_id not in self._texts:
                raise Err(index.Error_Invalid(f"there is no chunk `{chunk_id}`"))
        return [self._texts[chunk_id] for chunk_id in chunk_ids]

    def embed_vectors(self, texts: list[str], purpose: embed.Purpose) -> list[list[float]]:
        if self._embedder is None:
            raise Err(embed.Error_NotLoaded())
        return self._embedder(texts, purpose)

    def _found(self, query: Any, filter: index.Filter, top: int) -> list[index.Ranked]:
        if self._search is None:
            raise Err(index.Error_Unavailable("the double has no index"))
        return self._search(query, filter, top)


def _of_length_1(vector: list[float]) -> list[float] | None:
    length = sum(part * part for part in vector) ** 0.5
    return [part / length for part in vector] if length > 0 else None


def _cosine(one: list[float], other: list[float]) -> float | None:
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))  # noqa: E731
    lengths = (dot(one, one) * dot(other, other)) ** 0.5
    return dot(one, other) / lengths if lengths else None


class MemoryDocument:
    """A document in memory."""

    def __init__(self, data: bytes | str, filename: str = "test.txt", media_type: str | None = None):
        self._data = data.encode() if isinstance(data, str) else data
        self._filename = filename
        self._media_type = media_type

    def id(self) -> str:
        return "doc-test"

    def filename(self) -> str:
        return self._filename

    def media_type(self) -> str | None:
        return self._media_type

    def size(self) -> int:
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class MemorySink:
    """A sink that keeps what it is given and refuses what refers to nothing."""

    def __init__(self) -> None:
        self.document_title: str | None = None
        self.all_pages: list[documents.Page] = []
        self.all_chunks: list[documents.Chunk] = []

    def title(self, title: str) -> None:
        self.document_title = title

    def page(self, page: documents.Page) -> None:
        if self.all_pages and self.all_pages[-1].number >= page.number:
            raise Err(documents.Error_Invalid("pages must ascend"))
        self.all_pages.append(page)

    def chunks(self, chunks: list[documents.Chunk]) -> None:
        pages = {page.number for page in self.all_pages}
        for chunk in chunks:
            if not {chunk.first_page, chunk.last_page} <= pages:
                raise Err(documents.Error_Invalid("a chunk is on a page that is not there"))
        self.all_chunks += chunks

    def progress(self, done: int, total: int) -> None:
        pass
