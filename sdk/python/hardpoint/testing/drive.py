"""Drives a machine through a script, as the host would."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, TypeVar

from ..failure import Failure
from ..machine import Machine, Slot
from ..wit import types
from ..wit.base import Err
from .answers import Answer, Sent

_MOST_CALLS = 1_000_000

# Cuts beyond this many say nothing new of a long answer.
_MOST_CUTS = 400

Outcome = TypeVar("Outcome")


def drive(
    machine: Machine,
    effects: Any,
    prefix: str,
    script: list[Answer],
    borders: list[int],
    take: Callable[[Any, str], bool],
) -> tuple[list[Sent], bool, Failure | None]:
    """Answers belong to requests in the order these are sent; one is told after the other. `take` gets each effect
    with its name and says whether it was the last. Gives what was sent, whether it finished, and its failure."""
    slot = Slot(machine, effects, prefix)
    answers = iter(script)
    queue: deque[types.Observation] = deque([types.Observation_Started()])
    sent: list[Sent] = []
    calls, is_finished = 0, False
    while queue and not is_finished:
        calls += 1
        assert calls < _MOST_CALLS, "the machine asks to be called for ever"
        try:
            out = slot.advance(queue.popleft())
        except Err as error:
            return sent, False, Failure(**vars(error.value))
        resumes = waits = 0
        for effect in out:
            assert not is_finished, "the machine asked for more after it finished"
            name = type(effect).__name__
            assert name.startswith(f"{prefix}_"), f"{effect!r} is no effect of this kind"
            name = name.removeprefix(f"{prefix}_")
            if name == "Send":
                sent.append(Sent.check(effect.value, effect.value.exchange))
                answer = next(answers, None)
                assert answer is not None, f"the script has no answer to this request: {sent[-1]}"
                queue.extend(answer.observations(effect.value.exchange, borders))
            elif name == "Again":
                resumes += 1
            else:
                waits += name == "Wait"
                is_finished = take(effect, name)
        assert resumes + waits <= 1, "the machine asked twice to be called again"
        if resumes and not is_finished:
            queue.appendleft(types.Observation_Resumed())
        if waits and not is_finished:
            queue.append(types.Observation_Resumed())
    assert next(answers, None) is None, "the script has answers to requests that were never sent"
    return sent, is_finished, None


def every_way(script: list[Answer], run: Callable[[list[int]], Outcome]) -> Outcome:
    """Runs a script with its answers whole, cut at every point of their beginning, and byte by byte, and requires
    the same outcome each time."""
    whole = run([])
    longest = max((len(answer.bytes) for answer in script), default=0)
    for at in range(1, min(longest, _MOST_CUTS)):
        assert run([at]) == whole, f"cut at byte {at}, it came out otherwise"
    for size in (1, 2, 3, 7):
        assert run(list(range(size, longest, size))) == whole, f"in pieces of {size} bytes, it came out otherwise"
    return whole
