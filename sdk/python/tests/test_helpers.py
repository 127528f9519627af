"""Requests, failures, schemas and the double of the host."""

import contextlib
import io
import unittest

from hardpoint import FailureKind, Machine, again, http, kv, log, post, retry_after_ms, secret, send
from hardpoint.exporter import Exporter, delivered
from hardpoint.failure import Failure, kind_of_status
from hardpoint.model import ModelAdapter, finish, text
from hardpoint.machine import begun
from hardpoint.schema import fill, problem
from hardpoint.testing import Answer, Host, completion, completion_request, delivery, event, message
from hardpoint.wit.base import Err
from hardpoint.wit.types import Header, TransportFailureKind


class Machines(unittest.TestCase):
    def test_what_came_before_a_failure_is_handed_over(self):
        class Failing(Machine):
            def started(self):
                yield text("so far")
                raise Failure(FailureKind.PROTOCOL, "broken")

        class Model(ModelAdapter):
            def complete(self, request, settings):
                return Failing()

        done = completion(Model(), completion_request("m", [message("user", "?")]), {})
        self.assertEqual((done.text, done.failure.message), ("so far", "broken"))

    def test_again_and_several_requests(self):
        class Twice(Machine):
            def started(self):
                yield text("a")
                yield again()

            def resumed(self):
                yield send(post("https://a.example.com/x", json={"q": 1}, headers={"x-key": secret("k", "url")}))

            def ended(self, exchange):
                yield text("b")
                yield finish()

        class Model(ModelAdapter):
            def complete(self, request, settings):
                return Twice()

        done = completion(Model(), completion_request("m", [message("user", "?")]), {}, Answer(200))
        self.assertEqual((done.text, done.sent[0].json()), ("ab", {"q": 1}))
        self.assertEqual(done.sent[0].header("x-key"), "{secret:k|url}")

    def test_a_setting_that_is_not_there_is_a_failure_and_no_trap(self):
        def begin():
            return {}["base_url"]

        with contextlib.redirect_stderr(io.StringIO()) as told, self.assertRaises(Err) as raised:
            begun(begin)
        self.assertEqual(raised.exception.value.kind, FailureKind.UNSUPPORTED)
        self.assertIn("base_url", raised.exception.value.message)
        self.assertIn("Traceback", told.getvalue())

    def test_rules_are_kept(self):
        class Silent(Machine):
            def started(self):
                yield delivered(0)

        class Silently(Exporter):
            def deliver(self, batch, settings, state):
                return Silent()

        with self.assertRaisesRegex(AssertionError, "1 events have no verdict"):
            delivery(Silently(), [event("1"), event("2")], {})


class Helpers(unittest.TestCase):
    def test_statuses_and_waiting(self):
        self.assertEqual(kind_of_status(404), FailureKind.UNSUPPORTED)
        self.assertEqual(kind_of_status(422), FailureKind.INVALID_REQUEST)
        self.assertEqual(kind_of_status(302), FailureKind.PROTOCOL)
        for name, value, wait in (
            ("retry-after", "2", 2000),
            ("retry-after", " 0.5 ", 500),
            ("retry-after-ms", "125", 125),
            ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("retry-after", "-1", None),
            ("retry-after", "1e9", None),
            ("retry-after", "99999999999999999999", 86_400_000),
        ):
            self.assertEqual(retry_after_ms([Header(name, value.encode())]), wait, value)

    def test_a_message_is_text_whatever_it_was_made_of(self):
        failure = Failure(FailureKind.UPSTREAM, ValueError("no such moon"))
        self.assertEqual(failure.record().message, "no such moon")

    def test_schemas(self):
        schema = {
            "type": "object",
            "required": ["a"],
            "additionalProperties": False,
            "properties": {
                "a": {"type": "integer", "minimum": 1, "maximum": 3},
                "b": {"type": "array", "items": {"enum": ["x", "y"]}, "default": []},
            },
        }
        for value, reason in (
            ({"a": 1}, None),
            ({"a": 1.0, "b": ["x"]}, None),
            ([], "expected object"),
            ({}, "`a` is missing"),
            ({"a": True}, "a: expected integer"),
            ({"a": 0}, "a: at least 1"),
            ({"a": 4}, "a: at most 3"),
            ({"a": 1, "b": ["z"]}, "b[0]: expected one of 'x', 'y'"),
            ({"a": 1, "c": 1}, "`c` is not known"),
        ):
            self.assertEqual(problem(schema, value), reason, value)
        self.assertEqual(fill(schema, {"a": 1}), {"a": 1, "b": []})

    def test_the_double_of_the_host(self):
        answers = Answer.json(200, {"ok": True}), Answer.failed(TransportFailureKind.TIMEOUT)
        with Host(*answers, values={"a": b"1"}) as host:
            self.assertEqual(http.send(post("https://a.example.com")).json(), {"ok": True})
            with self.assertRaisesRegex(Failure, "took too long"):
                http.send(post("https://a.example.com"))
            kv.set("b", b"2")
            self.assertEqual((kv.keys(), kv.get("a"), kv.get("c")), (["a", "b"], b"1", None))
            log.warn("careful")
        self.assertEqual((host.log, len(host.sent)), ([("warn", "careful")], 2))


if __name__ == "__main__":
    unittest.main()
