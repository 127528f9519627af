"""Completions, embeddings and deliveries, driven."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..exporter import Exporter
from ..failure import Failure
from ..machine import Machine
from ..model import ModelAdapter
from ..wit import exporter as exporter_wit
from ..wit import model_adapter as model_wit
from .answers import Answer, Sent
from .drive import drive, every_way


def message(role: str, text: str) -> model_wit.Message:
    """A message of one piece of text: `message("user", "Why?")`."""
    return model_wit.Message(
        model_wit.Role[role.upper()], [model_wit.ContentPart_Text(text)], None, None, None, [], None
    )


def completion_request(
    upstream_model: str, messages: list[model_wit.Message], **members: Any
) -> model_wit.CompletionRequest:
    """A request with nothing but messages, and the members that are named."""
    left_out: dict[str, Any] = {
        name: None for name in model_wit.CompletionRequest.__dataclass_fields__ if name not in members
    }
    left_out |= {"upstream_model": upstream_model, "messages": messages}
    for name, value in (("tools", []), ("stop", []), ("streamed", False)):
        left_out[name] = value
    return model_wit.CompletionRequest(**(left_out | members))


def event(id: str, body: str = "{}", *, kind: str = "key.created", time: int = 1) -> exporter_wit.Event:
    """An event to deliver."""
    return exporter_wit.Event(id, kind, time, body)


@dataclass
class Completed:
    """What came of a completion. Two are equal if a client would see the same, whatever the borders of deltas."""

    sent: list[Sent] = field(default_factory=list)
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: list[model_wit.ToolCall] = field(default_factory=list)
    usage: model_wit.Usage | None = None
    finish: model_wit.FinishReason | None = None
    failure: Failure | None = field(default=None, compare=False)
    failed: dict[str, Any] | None = field(default=None, repr=False)
    texts: list[str] = field(default_factory=list, compare=False)

    def take(self, effect: Any, name: str) -> bool:
        """Gathers an effect; true for the last."""
        if name in ("Text", "Reasoning", "Refusal"):
            assert isinstance(effect.value, str), f"{effect!r} is no text"
            setattr(self, name.lower(), getattr(self, name.lower()) + effect.value)
        if name == "Text":
            self.texts.append(effect.value)
        elif name == "ToolCall":
            self._piece(effect.value)
        elif name == "Usage":
            self.usage = effect.value
        elif name == "Finish":
            self.finish = effect.value
        return name == "Finish"

    def _piece(self, piece: model_wit.ToolCallPiece) -> None:
        assert piece.index <= len(self.tool_calls), f"tool call {piece.index} comes too soon"
        if piece.index == len(self.tool_calls):
            assert piece.id and piece.name, f"the first piece of tool call {piece.index} lacks its id or name"
            self.tool_calls.append(model_wit.ToolCall(piece.id, piece.name, ""))
        else:
            assert piece.id is None and piece.name is None, f"tool call {piece.index} is named twice"
        self.tool_calls[piece.index].arguments += piece.arguments


@dataclass
class EmbeddingDone:
    """What came of an embedding."""

    sent: list[Sent] = field(default_factory=list)
    vectors: dict[int, list[float]] = field(default_factory=dict)
    usage: model_wit.Usage | None = None
    failure: Failure | None = field(default=None, compare=False)
    failed: dict[str, Any] | None = field(default=None, repr=False)

    def take(self, effect: Any, name: str) -> bool:
        """Gathers an effect; true for the last."""
        if name == "Vector":
            assert effect.value.index not in self.vectors, f"input {effect.value.index} has two vectors"
            self.vectors[effect.value.index] = effect.value.vector
        elif name == "Usage":
            self.usage = effect.value
        return name == "Finish"


@dataclass
class Delivered:
    """What came of a delivery."""

    sent: list[Sent] = field(default_factory=list)
    verdicts: dict[int, exporter_wit.Verdict] = field(default_factory=dict)
    is_split: bool = False
    parked: str | None = None
    saved: bytes | None = None
    waits: list[int] = field(default_factory=list)
    failure: Failure | None = field(default=None, compare=False)
    failed: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def all_delivered(self) -> bool:
        """Whether every event was delivered."""
        every = all(isinstance(verdict, exporter_wit.Verdict_Delivered) for verdict in self.verdicts.values())
        return every and self.failure is None and not self.is_split and self.parked is None

    def take(self, effect: Any, name: str) -> bool:
        """Gathers an effect; a delivery has no last one."""
        if name == "Verdict":
            assert effect.value.index not in self.verdicts, f"event {effect.value.index} has two verdicts"
            self.verdicts[effect.value.index] = effect.value.verdict
        elif name == "Wait":
            self.waits.append(effect.value)
        elif name == "Split":
            self.is_split = True
        elif name == "Park":
            self.parked = effect.value
        elif name == "Save":
            self.saved = effect.value
        return False


def completion(
    adapter: ModelAdapter,
    request: model_wit.CompletionRequest,
    settings: dict[str, Any],
    *script: Answer,
) -> Completed:
    """A completion, driven every way."""

    def run(borders: list[int]) -> Completed:
        done = Completed()
        begin = lambda: adapter.complete(request, settings)  # noqa: E731
        finished = _run(begin, model_wit, "CompletionEffect", list(script), borders, done)
        assert finished or done.failure, "the completion asked for nothing more and did not finish"
        return done

    return every_way(list(script), run)


def embedding(
    adapter: ModelAdapter,
    inputs: list[str],
    settings: dict[str, Any],
    *script: Answer,
    model: str = "m",
    **members: Any,
) -> EmbeddingDone:
    """An embedding, driven every way. `members` are those of the request that are left out otherwise."""
    left_out = {"dimensions": None, "user": None, "extra": None}

    def run(borders: list[int]) -> EmbeddingDone:
        done = EmbeddingDone()
        request = model_wit.EmbeddingRequest(model, inputs, **(left_out | members))
        begin = lambda: adapter.embed(request, settings)  # noqa: E731
        finished = _run(begin, model_wit, "EmbeddingEffect", list(script), borders, done)
        assert finished or done.failure, "the embedding asked for nothing more and did not finish"
        assert done.failure or sorted(done.vectors) == list(range(len(inputs))), "inputs without a vector"
        return done

    return every_way(list(script), run)


def delivery(
    exporter: Exporter,
    events: list[exporter_wit.Event],
    settings: dict[str, Any],
    *script: Answer,
    attempt: int = 1,
    now: int = 1,
    state: bytes | None = None,
) -> Delivered:
    """A delivery, driven every way."""

    def run(borders: list[int]) -> Delivered:
        done = Delivered()
        batch = exporter_wit.Batch(attempt, now, events)
        begin = lambda: exporter.deliver(batch, settings, state)  # noqa: E731
        _run(begin, exporter_wit, "DeliveryEffect", list(script), borders, done)
        assert all(index < len(events) for index in done.verdicts), "a verdict on an event that is not there"
        is_open = len(events) - len(done.verdicts)
        if done.is_split:
            assert is_open >= 2, f"{is_open} events without a verdict cannot be split"
        elif done.failure is None and done.parked is None:
            assert is_open == 0, f"{is_open} events have no verdict"
        return done

    return every_way(list(script), run)


def _run(begin: Any, effects: Any, prefix: str, script: list[Answer], borders: list[int], done: Any) -> bool:
    try:
        machine: Machine = begin()
    except Failure as failure:
        done.failure, done.failed = failure, vars(failure)
        return False
    done.sent, finished, done.failure = drive(machine, effects, prefix, script, borders, done.take)
    done.failed = vars(done.failure) if done.failure else None
    return finished
