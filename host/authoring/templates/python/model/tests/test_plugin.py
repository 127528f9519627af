"""The adapter as a host drives it, natively, with answers cut at every byte."""

import unittest
from pathlib import Path

from hardpoint import FailureKind
from hardpoint.model import FinishReason
from hardpoint.testing import Answer, completion, completion_request, message, replay
from plugin import plugin

RECORDINGS = Path(__file__).parent.parent / "recordings"

STREAM = """\
data: {"choices":[{"delta":{"role":"assistant","content":""}}]}

data: {"choices":[{"delta":{"content":"Becau"}}]}

: still here

data: {"choices":[{"delta":{"content":"se. ü"},"finish_reason":"length"}]}

data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}

data: [DONE]

"""


def asked(answer):
    messages = [message("system", "Be brief."), message("user", "Why?")]
    request = completion_request("small", messages, max_tokens=9)
    return completion(plugin, request, {"base_url": "https://models.example.com/v1/"}, answer)


class Streaming(unittest.TestCase):
    def test_streams_text(self):
        done = asked(Answer.sse(STREAM))
        self.assertEqual(done.text, "Because. ü")
        self.assertEqual(done.finish, FinishReason.LENGTH)
        self.assertEqual((done.usage.input_tokens, done.usage.output_tokens), (7, 3))
        self.assertEqual(done.sent[0].url, "https://models.example.com/v1/chat/completions")
        self.assertEqual(done.sent[0].header("authorization"), "Bearer {secret:api_key}")
        self.assertEqual(
            done.sent[0].json(),
            {
                "model": "small",
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
                "stream": True,
                "max_tokens": 9,
            },
        )

    def test_an_error_is_passed_on(self):
        done = asked(Answer(429, {"retry-after": "2"}, "slow down"))
        self.assertEqual(done.failure.kind, FailureKind.RATE_LIMITED)
        self.assertEqual((done.failure.retry_after_ms, done.failure.message), (2_000, "slow down"))

    def test_a_stream_that_stops_is_a_failure(self):
        done = asked(Answer.sse(STREAM.partition(": still")[0]))
        self.assertEqual((done.text, done.failure.kind), ("Becau", FailureKind.PROTOCOL))

    def test_recordings_come_out_as_they_say(self):
        for recording in sorted(RECORDINGS.glob("*.json")):
            with self.subTest(recording.name):
                replay(plugin, recording.read_text("utf-8"))


if __name__ == "__main__":
    unittest.main()
