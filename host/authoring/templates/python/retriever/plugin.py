"""A retriever for plain text: passages end at blank lines, and the host's full text index finds them."""

import re

from hardpoint import Failure, FailureKind, index
from hardpoint.retriever import Page, Retriever, chunk, hit

# What is read at once, and the longest document: its text is kept in memory.
PIECE = 1 << 20
MOST_BYTES = 64 << 20

# What stands between blank lines, without white space around it.
PARAGRAPH = re.compile(r"\S(?:.*?\S)??(?=\s*?\n\n|\s*\Z)", re.DOTALL)


class PlainText(Retriever):
    def ingest(self, document, into, settings):
        text = read(document)
        found = passages(text, settings.get("passage_characters", 1_000))
        into.title(document.filename())
        into.page(Page(1, None, text))
        into.chunks([chunk(ordinal, text[start:end], start) for ordinal, (start, end) in enumerate(found)])

    def search(self, request, settings):
        return [hit(ranked) for ranked in index.full_text(request.query, request.filter, request.top)]


def read(document):
    if document.size() > MOST_BYTES:
        raise Failure(FailureKind.INVALID_REQUEST, f"it is larger than {MOST_BYTES} bytes")
    data = bytearray()
    while len(data) < document.size() and (piece := document.read(len(data), PIECE)):
        data += piece
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Failure(FailureKind.INVALID_REQUEST, "it is no plain text: not UTF-8") from None


def passages(text, most):
    """Paragraphs, put together as long as they fit, by the characters at which they begin and end. A paragraph
    that is too long by itself is cut."""
    found = []
    for paragraph in PARAGRAPH.finditer(text):
        start, end = paragraph.span()
        if found and end - found[-1][0] <= most:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return [(at, min(at + most, end)) for start, end in found for at in range(start, end, most)]


plugin = PlainText()
