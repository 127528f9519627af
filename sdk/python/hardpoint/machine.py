"""State machines: what models and exporters are made of. They are told what happened and yield what to do next;
the host does all I/O."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Optional

from .failure import Failure, FailureKind
from .request import Request
from .wit import types
from .wit.base import Err

Effects = Optional[Iterable[Any]]
"""What a method of a machine yields. A method that has nothing to do returns nothing."""


@dataclass(frozen=True)
class Send:
    """See `send`."""

    request: Request


@dataclass(frozen=True)
class Again:
    """See `again`."""


def send(request: Request) -> Send:
    """Sends a request."""
    return Send(request)


def again() -> Again:
    """Asks to be called once more, by `resumed`, when what came before was passed on."""
    return Again()


class Machine:
    """One exchange: a completion, an embedding or a delivery. Only `started` must be written. Each method is a
    generator of effects, or returns nothing; raise `Failure` to end the exchange."""

    def started(self) -> Effects:
        """The first call. A plugin with another side sends its request here."""
        raise NotImplementedError

    def resumed(self) -> Effects:
        """The answer to `again`, and to a `wait` that is over."""

    def head(self, head: types.ResponseHead) -> Effects:
        """An answer began."""

    def body(self, exchange: int, data: bytes) -> Effects:
        """An answer goes on, cut wherever the network cut it."""

    def ended(self, exchange: int) -> Effects:
        """An answer is complete."""

    def broken(self, failure: types.TransportFailure) -> Effects:
        """A request got no answer, or no more of it. Fails the exchange unless you decide otherwise."""
        raise Failure.of_transport(failure)


class Slot:
    """A machine as a resource of the interface. `effects` is the module with the kind's effects, and `prefix`
    what their names begin with."""

    def __init__(self, machine: Machine, effects: Any, prefix: str):
        self._machine = machine
        self._send = getattr(effects, f"{prefix}_Send")
        self._again = getattr(effects, f"{prefix}_Again")
        self._usage = getattr(effects, f"{prefix}_Usage", None)
        self._usage_record = getattr(effects, "Usage", None)
        self._failure: Failure | None = None

    def advance(self, seen: types.Observation) -> list[Any]:
        """One call, as the interface has it. What a machine put out before it failed is handed over first: the
        interface knows either effects or a failure, and where the network cut the answer must not decide
        whether a client sees the last words before an error."""
        if self._failure is not None:
            raise Err(self._failure.record())
        out: list[Any] = []
        try:
            for effect in self._told(seen) or ():
                out.append(self._effect(effect))
        except Failure as failure:
            if not out:
                raise Err(failure.record()) from None
            self._failure = failure
            out.append(self._again())
        return out

    def _told(self, seen: types.Observation) -> Effects:
        machine = self._machine
        if isinstance(seen, types.Observation_Body):
            return machine.body(seen.value.exchange, seen.value.bytes)
        if isinstance(seen, types.Observation_Head):
            return machine.head(seen.value)
        if isinstance(seen, types.Observation_Ended):
            return machine.ended(seen.value)
        if isinstance(seen, types.Observation_Started):
            return machine.started()
        if isinstance(seen, types.Observation_Resumed):
            return machine.resumed()
        return machine.broken(seen.value)

    def _effect(self, effect: Any) -> Any:
        if isinstance(effect, Send):
            return self._send(effect.request.record())
        if isinstance(effect, Again):
            return self._again()
        if self._usage_record is not None and isinstance(effect, self._usage_record):
            return self._usage(effect)
        return effect


def begun(begin: Callable[[], Machine]) -> Machine:
    """Begins an exchange, as the interface has it. What is raised here and is no `Failure` becomes one: most often it
    is a setting that is not there, which concerns this binding alone. The traceback goes to the plugin's log."""
    try:
        return begin()
    except Failure as failure:
        raise Err(failure.record()) from None
    except Exception as error:
        traceback.print_exc()
        failure = Failure(FailureKind.UNSUPPORTED, f"the plugin cannot begin: {error!r}")
        raise Err(failure.record()) from None
