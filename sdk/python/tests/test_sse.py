"""The decoder, cut every way."""

import unittest

from hardpoint.failure import Failure
from hardpoint.sse import Decoder


def decode(pieces, limit=1000):
    decoder = Decoder(limit)
    try:
        return [(event.name, event.data) for piece in pieces for event in decoder.feed(piece)]
    except Failure as failure:
        return failure.message


class Sse(unittest.TestCase):
    def every_way(self, text, limit=1000):
        whole = decode([text], limit)
        for at in range(len(text) + 1):
            self.assertEqual(decode([text[:at], b"", text[at:]], limit), whole, f"split at {at}")
        self.assertEqual(decode([text[i : i + 1] for i in range(len(text))], limit), whole, "byte by byte")
        return whole

    def data(self, text):
        return [data for _, data in self.every_way(text)]

    def test_lines_may_end_three_ways(self):
        text = b"data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\r\n\n"
        self.assertEqual(self.data(text), ["a", "b", "c", "d"])
        self.assertEqual(self.data(b"\r\n\n\r\rdata: a\n\r\n"), ["a"])

    def test_data_lines_are_joined(self):
        self.assertEqual(self.data(b"data: a\ndata:b\ndata\ndata:  c\n\n"), ["a\nb\n\n c"])
        self.assertEqual(self.data(b"data:\n\n"), [""])

    def test_names_belong_to_one_event(self):
        text = b"event: first\ndata: a\n\ndata: b\n\nevent: empty\n\ndata: c\nevent:last\n\n"
        self.assertEqual([name for name, _ in self.every_way(text)], ["first", "", "last"])

    def test_other_fields_comments_marks_and_bad_bytes(self):
        self.assertEqual(self.data(b": hello\n\nid: 1\ndata: a\n: between\ndatax: no\n data: no\n\n"), ["a"])
        self.assertEqual(self.data(b"\xef\xbb\xbfdata: a\n\n"), ["a"])
        self.assertEqual(self.data(b"\xef\xbbdata: a\n\ndata: b\n\n"), ["b"])
        self.assertEqual(self.data("data: 🦀 naïve\n\n".encode()), ["🦀 naïve"])
        self.assertEqual(self.data(b"data: a\xffb\n\n"), ["a\ufffdb"])

    def test_what_the_end_cut_off_is_no_event(self):
        for text, within in ((b"data: a\n", True), (b"data: a", True), (b"data: a\n\n", False), (b"", False)):
            decoder = Decoder()
            self.assertEqual(len(list(decoder.feed(text))), int(text.endswith(b"\n\n")))
            self.assertEqual(decoder.is_within_event, within, text)

    def test_the_bound_does_not_depend_on_the_cut(self):
        error = "an event of the stream is larger than 16 bytes"
        self.assertEqual(self.every_way(b"data: 0123456789abcdef\n\n", 16), error)
        self.assertEqual(self.every_way(b": 0123456789abcdef\n\n", 16), error)
        self.assertEqual(self.every_way(b"data: 1\ndata: 2\ndata: 3\n\n", 16), error)
        self.assertEqual(len(self.every_way(b"data: 1\n\n" * 50, 16)), 50)
        self.assertEqual(self.every_way(b": ping\n" * 50, 16), [])


if __name__ == "__main__":
    unittest.main()
