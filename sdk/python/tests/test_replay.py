"""Recordings through the native harness."""

import copy
import json
import unittest

from hardpoint import Failure, FailureKind, Machine, http, kv, post, secret, send
from hardpoint.exporter import Exporter, delivered, retry_after, save
from hardpoint.model import FinishReason, ModelAdapter, embedded, finish, text, text_of, tool_call, usage, vector
from hardpoint.testing import replay
from hardpoint.tool import Tool

URL = "https://example.com/x"


class Scripted(ModelAdapter):
    """Sends what it is asked, and answers with what comes back."""

    def complete(self, request, settings):
        asked = {"model": request.upstream_model, "texts": [text_of(message) for message in request.messages]}
        asked["schema"] = request.response_format.value.schema
        asked["tools"] = [[tool.name, json.loads(tool.parameters)] for tool in request.tools]
        return Completing(post(settings["url"], json=asked, headers={"authorization": ["Bearer ", secret("key")]}))

    def embed(self, request, settings):
        return Embedding(post(settings["url"], json=request.inputs))


class Completing(Machine):
    def __init__(self, request):
        self.request = request

    def started(self):
        yield send(self.request)

    def body(self, exchange, data):
        for letter in data.decode():
            if letter == "!":
                raise Failure(FailureKind.RATE_LIMITED, "slow down", retry_after_ms=7)
            yield text(letter)

    def ended(self, exchange):
        yield tool_call(0, "{}", id="id", name="name")
        yield usage(1, 2)
        yield finish(FinishReason.LENGTH)


class Embedding(Completing):
    def body(self, exchange, data):
        pass

    def ended(self, exchange):
        yield vector(0, [0.1, 1])
        yield embedded()


COMPLETION = {
    "about": "a text and a call",
    "settings": {"url": URL},
    "completion": {
        "upstream_model": "m",
        "messages": [{"role": "user", "content": [{"text": "Why"}, {"image": {"url": "data:"}}, {"text": "?"}]}],
        "tools": [{"name": "t", "parameters": {"type": "object"}}],
        "tool_choice": {"function": "t"},
        "response_format": {"json_schema": {"name": "s", "schema": {}}},
    },
    "exchanges": [
        {
            "request": {
                "method": "POST",
                "url": URL,
                "headers": {"authorization": "Bearer {secret:key}"},
                "body": {"model": "m", "texts": ["Why?"], "schema": "{}", "tools": [["t", {"type": "object"}]]},
            },
            "answer": {"status": 200, "chunks": ["Becau", "se."]},
        }
    ],
    "expect": {
        "text": "Because.",
        "finish": "length",
        "usage": {"input_tokens": 1, "output_tokens": 2},
        "tool_calls": [{"id": "id", "name": "name", "arguments": "{}"}],
    },
}


def replayed(plugin, recording, **others):
    """What is told of a recording with other members; nothing where it comes out as it says."""
    try:
        replay(plugin, json.dumps(recording | others))
    except AssertionError as error:
        return str(error)
    return ""


class Replays(unittest.TestCase):
    def test_a_completion_comes_out_as_it_says(self):
        self.assertEqual(replayed(Scripted(), COMPLETION), "")
        failing = copy.deepcopy(COMPLETION["exchanges"])
        failing[0]["answer"] = {"status": 200, "chunks": ["a", "!"]}
        failure = {"kind": "rate_limited", "retry_after_ms": 7}
        expect = {"text": "a", "failure": failure}
        self.assertEqual(replayed(Scripted(), COMPLETION, exchanges=failing, expect=expect), "")
        expect = {"text": "a", "failure": failure | {"message": "hurry"}}
        self.assertIn("slow down", replayed(Scripted(), COMPLETION, exchanges=failing, expect=expect))
        failing[0]["answer"] = {"status": 200, "chunks": ["a"], "broken": "reset"}
        expect = {"text": "a", "failure": {"kind": "reset"}}
        self.assertEqual(replayed(Scripted(), COMPLETION, exchanges=failing, expect=expect), "")

    def test_each_difference_is_told(self):
        other = copy.deepcopy(COMPLETION)
        other["exchanges"][0]["request"]["headers"]["authorization"] = "Bearer {secret:other}"
        other["exchanges"][0]["request"]["body"]["model"] = "n"
        other["expect"]["finish"] = "stop"
        told = replayed(Scripted(), other)
        for words in ("request 1: the header `authorization`", "request 1: the body", "`finish` is 'length', not 'stop'"):
            self.assertIn(words, told)
        self.assertNotIn("`text`", told)
        self.assertIn("answers to requests", replayed(Scripted(), COMPLETION, exchanges=COMPLETION["exchanges"] * 2))
        self.assertIn("exactly one", replayed(Scripted(), {"about": "nothing"}))

    def test_vectors_are_as_wide_as_the_interface_has_them(self):
        exchanges = [{"request": {"method": "POST", "url": URL, "body": ["a"]}, "answer": {"status": 200}}]
        recording = {"about": "a vector", "settings": {"url": URL}, "exchanges": exchanges}
        recording["embedding"] = {"upstream_model": "m", "inputs": ["a"]}
        self.assertEqual(replayed(Scripted(), recording, expect={"vectors": [[0.1, 1]]}), "")
        self.assertIn("`vectors`", replayed(Scripted(), recording, expect={"vectors": [[0.2, 1]]}))

    def test_a_delivery_and_its_state(self):
        class Patient(Exporter):
            def deliver(self, batch, settings, state):
                return Delivering(batch, state)

        class Delivering(Machine):
            def __init__(self, batch, state):
                self.batch, self.state = batch, state

            def started(self):
                yield send(post(URL, body=self.batch.events[0].body, gzip=True))

            def ended(self, exchange):
                yield delivered(0)
                yield retry_after(1, self.batch.attempt * 10)
                yield save(bytes([self.state[0] + 1, 255]))

        request = {"method": "POST", "url": URL, "body": '{"a":"ü"}', "gzip": True}
        event = {"id": "evt_1", "kind": "a.b", "time": 1, "body": {"a": "ü"}}
        recording = {
            "about": "taken in part",
            "delivery": {"attempt": 2, "events": [event, event], "state": "\u0004"},
            "exchanges": [{"request": request, "answer": {"status": 204}}],
            "expect": {"verdicts": ["delivered", {"retry_after": 20}], "saved": {"base64": "Bf8="}},
        }
        self.assertEqual(replayed(Patient(), recording), "")
        self.assertIn("`verdicts`", replayed(Patient(), recording, expect={"verdicts": ["delivered", None]}))

    def test_a_call_of_a_tool(self):
        class Fetching(Tool):
            parameters = {"type": "object", "properties": {"path": {"type": "string"}}}

            def call(self, arguments, settings):
                answer = http.send(post(settings["url"] + arguments.get("path", "")))
                return {"status": answer.status, "kept": kv.get("k").decode(), "zero": 0}

        call = {"arguments": {"path": "/a"}, "kv": {"k": {"a": 1}}}
        request = {"method": "POST", "url": URL + "/a"}
        result = {"status": 404, "kept": '{"a":1}', "zero": 0}
        recording = {
            "about": "a page that is not there",
            "settings": {"url": URL},
            "call": call,
            "exchanges": [{"request": request, "answer": {"status": 404}}],
            "expect": {"result": result},
        }
        self.assertEqual(replayed(Fetching(), recording), "")
        del result["zero"]
        self.assertIn("`result`", replayed(Fetching(), recording))
        wrong = replayed(Fetching(), recording, call={"arguments": {"path": 1}}, expect={})
        self.assertTrue("`invalid_arguments`" in wrong and "request 1 was not sent" in wrong, wrong)

    def test_what_it_is_handed_is_spelled_as_the_host_spells_it(self):
        class Spelled(Exporter):
            def deliver(self, batch, settings, state):
                text = batch.events[0].body + " " + ",".join(settings)
                return Delivering(post(URL, body=text, headers={"accept": "a"}))

        class Delivering(Completing):
            def ended(self, exchange):
                yield delivered(0)

        body = {"b": [2.0, 1e-05, 1.5e-7, 1e16, 2**64, -1], "a": {"ü": None, "\U00010000": 1, "\uffff": 2}}
        text = '{"a":{"ü":null,"\uffff":2,"\U00010000":1},"b":[2.0,0.00001,1.5e-7,1e+16,1.8446744073709552e+19,-1]}'
        event = {"id": "evt_1", "kind": "a.b", "time": 1, "body": body}
        recording = {
            "about": "keys and numbers",
            "settings": {"b": 1, "a": 1},
            "delivery": {"events": [event]},
            "exchanges": [{"request": {"method": "POST", "url": URL, "body": text + " a,b"}, "answer": {}}],
            "expect": {"verdicts": ["delivered"]},
        }
        self.assertEqual(replayed(Spelled(), recording), "")

    def test_one_true_and_one_point_zero_are_three_values(self):
        class Same(Tool):
            parameters = {"type": "object"}

            def call(self, arguments, settings):
                return arguments["value"]

        values = ["1", "1.0", "true", "null", '{"a":[1]}', '{"a":[1.0]}', '{"a":[1],"b":null}']
        for given in values:
            for expected in values:
                text = '{"about":"a value","call":{"arguments":{"value":%s}},"expect":{"result":%s}}'
                if given == expected:
                    replay(Same(), text % (given, expected))
                else:
                    with self.assertRaises(AssertionError, msg=f"{given} for {expected}"):
                        replay(Same(), text % (given, expected))

    def test_a_request_is_compared_as_in_the_sandbox(self):
        class Twice(Tool):
            parameters = {"type": "object"}

            def call(self, arguments, settings):
                http.send(post(URL, body="no JSON", headers={"x-one": "a", "X-One": "b"}))

        request = {"method": "POST", "url": URL, "headers": {"x-one": "a, b"}, "body": None}
        recording = {"about": "headers", "call": {"arguments": {}}, "expect": {"result": None}}
        exchanges = [{"request": request, "answer": {"status": 200, "broken": None}}]
        self.assertEqual(replayed(Twice(), recording, exchanges=exchanges), "")
        request["headers"], request["body"] = {"x-one": "a"}, {}
        told = replayed(Twice(), recording, exchanges=exchanges)
        self.assertTrue("`x-one` is 'a, b'" in told and "the body is 'no JSON'" in told, told)
        exchanges[0] = {"request": {"method": "POST", "url": URL}, "answer": {"broken": "reset"}}
        failed = {"failure": {"kind": "failed"}}
        self.assertEqual(replayed(Twice(), recording, exchanges=exchanges, expect=failed), "")

    def test_no_usage_and_zeros_are_the_same(self):
        exchanges = [{"request": {"method": "POST", "url": URL}, "answer": {"status": 200}}]
        recording = {"about": "a vector", "settings": {"url": URL}, "exchanges": exchanges}
        recording["embedding"] = {"inputs": ["a"], "user": None, "extra": {}}
        expect = {"vectors": [[0.1, 1]], "usage": {"input_tokens": 0}}
        self.assertEqual(replayed(Scripted(), recording, expect=expect), "")
        expect["usage"] = {"input_tokens": 1}
        self.assertIn("`usage`", replayed(Scripted(), recording, expect=expect))

    def test_what_the_sandbox_refuses_is_refused(self):
        def refused(change):
            other = copy.deepcopy(COMPLETION)
            change(other, other["completion"], other["exchanges"][0])
            return replayed(Scripted(), other)

        for words, change in {
            "no `setings`": lambda it, asked, exchange: it.update(setings={}),
            "no `hedaers`": lambda it, asked, exchange: exchange["request"].update(hedaers={}),
            "no `boddy`": lambda it, asked, exchange: exchange["answer"].update(boddy=""),
            "messages[0] has no `rool`": lambda it, asked, exchange: asked["messages"][0].update(rool="user"),
            "`stirct`": lambda it, asked, exchange: asked["response_format"]["json_schema"].update(stirct=True),
            "no `txt`": lambda it, asked, exchange: it["expect"].update(txt=""),
            "lacks `answer`": lambda it, asked, exchange: exchange.pop("answer"),
            "gzip is 1": lambda it, asked, exchange: exchange["request"].update(gzip=1),
            "headers is None": lambda it, asked, exchange: exchange["request"].update(headers=None),
            "max_tokens is 1.0": lambda it, asked, exchange: asked.update(max_tokens=1.0),
            "'any'": lambda it, asked, exchange: asked.update(tool_choice="any"),
        }.items():
            self.assertIn(words, refused(change))
        nothing = dict.fromkeys(("seed", "temperature", "user", "parallel_tool_calls"))
        self.assertEqual(refused(lambda it, asked, exchange: asked.update(nothing)), "")


if __name__ == "__main__":
    unittest.main()
