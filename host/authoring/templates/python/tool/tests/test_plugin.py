"""The tool as a host calls it, natively."""

import unittest
from pathlib import Path

from hardpoint.testing import call, describe, replay
from hardpoint.tool import InvalidArguments
from plugin import plugin

RECORDINGS = Path(__file__).parent.parent / "recordings"


class WordStatistics(unittest.TestCase):
    def test_counts(self):
        answer = call(plugin, {"text": "The cat saw the dog. The dog ran!", "top": 2})
        self.assertEqual(
            answer,
            {
                "words": 8,
                "sentences": 2,
                "characters": 33,
                "most_common": [{"word": "the", "count": 3}, {"word": "dog", "count": 2}],
            },
        )

    def test_leaves_out_what_is_ignored(self):
        answer = call(plugin, {"text": "the the cat", "top": 1}, {"ignored": ["the"]})
        self.assertEqual(answer["most_common"], [{"word": "cat", "count": 1}])
        self.assertEqual(call(plugin, {"text": " … "})["words"], 0)

    def test_tells_a_model_what_is_wrong(self):
        for arguments in ({}, {"text": 1}, {"text": "", "top": 101}, {"text": "", "more": 1}):
            with self.assertRaises(InvalidArguments):
                call(plugin, arguments)

    def test_describes_its_arguments(self):
        _, parameters = describe(plugin)
        self.assertEqual(parameters["required"], ["text"])

    def test_recordings_come_out_as_they_say(self):
        for recording in sorted(RECORDINGS.glob("*.json")):
            with self.subTest(recording.name):
                replay(plugin, recording.read_text("utf-8"))


if __name__ == "__main__":
    unittest.main()
