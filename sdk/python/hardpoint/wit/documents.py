"""`documents`: what a retriever reads from and writes to."""

try:
    from wit_world.imports.documents import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from typing import List, Optional, Protocol, Union

    @dataclass
    class Error_Unavailable:
        value: str

    @dataclass
    class Error_TooLarge:
        value: str

    @dataclass
    class Error_Invalid:
        value: str

    Error = Union[Error_Unavailable, Error_TooLarge, Error_Invalid]

    @dataclass
    class Page:
        number: int
        title: Optional[str]
        text: str

    @dataclass
    class Chunk:
        ordinal: int
        text: str
        embedded_text: Optional[str]
        first_page: int
        last_page: int
        start: int
        end: int
        metadata: Optional[str]

    class Document(Protocol):
        def id(self) -> str: ...
        def filename(self) -> str: ...
        def media_type(self) -> Optional[str]: ...
        def size(self) -> int: ...
        def read(self, offset: int, length: int) -> bytes: ...

    class Sink(Protocol):
        def title(self, title: str) -> None: ...
        def page(self, page: Page) -> None: ...
        def chunks(self, chunks: List[Chunk]) -> None: ...
        def progress(self, done: int, total: int) -> None: ...
