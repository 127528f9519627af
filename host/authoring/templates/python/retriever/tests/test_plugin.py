"""The retriever as a host calls it, natively."""

import unittest

from hardpoint import Failure, FailureKind
from hardpoint.index import Filter, Ranked
from hardpoint.testing import Host, MemoryDocument, MemorySink
from hardpoint.wit.retriever import SearchRequest
from plugin import plugin


class PlainText(unittest.TestCase):
    def test_passages_end_at_blank_lines_and_know_where_they_are(self):
        text = "Ünder one.\n\nTwo.\n\n\n\nThree is longer than the others are.\n"
        sink = MemorySink()
        plugin.ingest(MemoryDocument(text, "notes.txt"), sink, {"passage_characters": 20})
        self.assertEqual(sink.document_title, "notes.txt")
        texts = [chunk.text for chunk in sink.all_chunks]
        self.assertEqual(texts, ["Ünder one.\n\nTwo.", "Three is longer than", " the others are."])
        for chunk in sink.all_chunks:
            self.assertEqual(sink.all_pages[0].text[chunk.start : chunk.end], chunk.text)

    def test_says_why_it_cannot_read(self):
        with self.assertRaises(Failure) as raised:
            plugin.ingest(MemoryDocument(b"\xff\xfe"), MemorySink(), {})
        self.assertEqual(raised.exception.kind, FailureKind.INVALID_REQUEST)

    def test_finds_by_words(self):
        with Host(search=lambda query, filter, top: [Ranked("c1", "d1", 1, 2.5)]):
            hits = plugin.search(SearchRequest("two", 3, Filter(None, None), True), {})
        self.assertEqual((hits[0].chunk_id, hits[0].fused), ("c1", 2.5))


if __name__ == "__main__":
    unittest.main()
