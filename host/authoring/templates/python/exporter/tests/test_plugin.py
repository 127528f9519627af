"""The exporter as a host drives it, natively, with answers cut at every byte."""

import json
import unittest
from pathlib import Path

from hardpoint.testing import Answer, delivery, event, replay
from hardpoint.wit.exporter import Verdict_Drop, Verdict_RetryAfter
from hardpoint.wit.types import TransportFailureKind
from plugin import plugin

RECORDINGS = Path(__file__).parent.parent / "recordings"


def answered(events, answer):
    offered = [event(f"evt-{index}", json.dumps({"id": index})) for index in range(events)]
    return delivery(plugin, offered, {"url": "https://logs.example.com/in"}, answer, attempt=2)


class JsonLines(unittest.TestCase):
    def test_posts_lines_and_delivers(self):
        done = answered(2, Answer(204))
        self.assertTrue(done.all_delivered)
        self.assertEqual(done.sent[0].url, "https://logs.example.com/in")
        self.assertEqual(done.sent[0].body, '{"id": 0}\n{"id": 1}\n')
        self.assertEqual(done.sent[0].header("authorization"), "Bearer {secret:token}")
        self.assertTrue(done.sent[0].gzip)

    def test_waits_as_long_as_it_is_asked_to(self):
        self.assertEqual(answered(1, Answer(429, {"retry-after": "7"})).verdicts[0], Verdict_RetryAfter(7_000))
        self.assertEqual(answered(1, Answer(503)).verdicts[0], Verdict_RetryAfter(10_000), "its second attempt")

    def test_splits_parks_and_drops(self):
        self.assertTrue(answered(2, Answer(413)).is_split)
        self.assertIsInstance(answered(1, Answer(413)).verdicts[0], Verdict_Drop)
        self.assertIsInstance(answered(1, Answer(400)).verdicts[0], Verdict_Drop)
        self.assertIn("token", answered(2, Answer(401)).parked)

    def test_a_broken_connection_fails_the_batch(self):
        self.assertIsNotNone(answered(1, Answer.failed(TransportFailureKind.CONNECT)).failure)

    def test_recordings_come_out_as_they_say(self):
        for recording in sorted(RECORDINGS.glob("*.json")):
            with self.subTest(recording.name):
                replay(plugin, recording.read_text("utf-8"))


if __name__ == "__main__":
    unittest.main()
