"""Recordings: files that `hardpoint plugin test` replays in the real sandbox, replayed natively."""

from __future__ import annotations

from typing import Any

from ..exporter import Exporter
from ..failure import Failure
from ..model import ModelAdapter
from ..tool import InvalidArguments, Tool
from ..wit.exporter import Verdict_Delivered, Verdict_RetryAfter
from . import recorded, spelling
from . import recording as recordings
from .answers import Answer, Sent
from .host import Host
from .machines import completion, delivery, embedding, event
from .tools import call


def replay(plugin: Tool | ModelAdapter | Exporter, recording: str) -> None:
    """Replays a recording, given as the file's text, its answers cut every way. Fails with every difference."""
    told = recordings.read(recording)
    asked = [name for name in _ASKING if name in told]
    assert len(asked) == 1, f"exactly one of {', '.join(_ASKING)} says what is asked"
    exchanges = told.get("exchanges", [])
    script = [recorded.answer(exchange["answer"]) for exchange in exchanges]
    sent, came = _ASKING[asked[0]](plugin, told[asked[0]], told.get("settings", {}), script)
    expected, got = recorded.outcome(told.get("expect", {})), recorded.outcome(came)
    if "failure" in got:
        if script and script[-1].broken is not None and asked != ["call"]:
            # The host, which saw it break, knows better than the plugin what kind of trouble that was; of a tool's
            # failure it knows nothing.
            got["failure"]["kind"] = script[-1].broken.name.lower()
        if "message" not in expected.get("failure", {}):
            del got["failure"]["message"]
    found = [text for number, exchange in enumerate(exchanges) for text in _request(number, exchange, sent)]
    for name in sorted(expected.keys() | got.keys()):
        # What is there may be null.
        if (name in expected, name in got) != (True, True) or not spelling.same(expected[name], got[name]):
            found.append(f"`{name}` is {got.get(name)!r}, not {expected.get(name)!r}")
    assert not found, "\n  ".join([f"{told['about']}:", *found])


def _completion(plugin: ModelAdapter, asked: Any, settings: Any, script: list[Answer]) -> Any:
    done = completion(plugin, recorded.completion_request(asked), settings, *script)
    names = ("text", "reasoning", "refusal", "tool_calls", "usage", "finish", "failure")
    return done.sent, {name: getattr(done, name) for name in names}


def _embedding(plugin: ModelAdapter, asked: Any, settings: Any, script: list[Answer]) -> Any:
    more = asked | {"extra": recorded.extra(asked)}
    inputs, model = more.pop("inputs", []), more.pop("upstream_model", "")
    done = embedding(plugin, inputs, settings, *script, model=model, **more)
    vectors = [] if done.failure else [done.vectors[index] for index in range(len(inputs))]
    return done.sent, {"vectors": vectors, "usage": done.usage, "failure": done.failure}


def _delivery(plugin: Exporter, asked: Any, settings: Any, script: list[Answer]) -> Any:
    events = [event(**(told | {"body": spelling.write(told["body"])})) for told in asked["events"]]
    attempt, now, state = asked.get("attempt", 1), asked.get("now", 0), asked.get("state")
    done = delivery(plugin, events, settings, *script, attempt=attempt, now=now, state=state)
    came = {"verdicts": [_verdict(done.verdicts.get(index)) for index in range(len(events))], "split": done.is_split}
    return done.sent, came | {"parked": done.parked, "saved": done.saved, "failure": done.failure}


def _verdict(verdict: Any) -> Any:
    if verdict is None or isinstance(verdict, Verdict_Delivered):
        return verdict and "delivered"
    return {"retry_after" if isinstance(verdict, Verdict_RetryAfter) else "drop": verdict.value}


def _call(plugin: Tool, asked: Any, settings: Any, script: list[Answer]) -> Any:
    kept = asked.get("kv", {}).items()
    values = {key: (held if isinstance(held, str) else spelling.write(held)).encode() for key, held in kept}
    with Host(*script, values=values) as host:
        try:
            came: dict[str, Any] = {"result": call(plugin, asked["arguments"], settings)}
        except InvalidArguments as error:
            came = {"invalid_arguments": str(error)}
        except Failure as failure:
            came = {"failure": {"kind": "failed", "message": failure.message}}
    return host.sent, came


_ASKING = {"completion": _completion, "embedding": _embedding, "delivery": _delivery, "call": _call}


def _request(number: int, exchange: Any, sent: list[Sent]) -> list[str]:
    """How the request of this number differs from the one in the recording."""
    what, wanted = f"request {number + 1}", exchange["request"]
    if number >= len(sent):
        return [f"{what} was not sent"]
    got = sent[number]
    pairs = [("the method", got.method, wanted["method"]), ("the URL", got.url, wanted["url"])]
    pairs.append(("gzip", got.gzip, wanted.get("gzip", False)))
    for name, value in wanted.get("headers", {}).items():
        values = ", ".join(text for found, text in got.headers if found == name)
        pairs.append((f"the header `{name}`", values, value))
    if "body" in wanted:
        body = got.body if isinstance(wanted["body"], str) else spelling.read_or_text(got.body)
        pairs.append(("the body", body, wanted["body"]))
    return [f"{what}: {name} is {is_!r}, not {must!r}" for name, is_, must in pairs if not spelling.same(is_, must)]
