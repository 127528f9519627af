"""Exporters: batches of events to some outside system."""

from __future__ import annotations

from typing import Any

from .machine import Machine
from .wit import exporter as wit
from .wit.exporter import Batch, Event


class Exporter:
    """A plugin of kind `exporter`."""

    def deliver(self, batch: Batch, settings: dict[str, Any], state: bytes | None) -> Machine:
        """Begins a delivery. `settings` are the binding's and the export's together; `state` is what was saved
        last. Raise `Failure` if nothing can be delivered with these settings."""
        raise NotImplementedError


def delivered(index: int) -> wit.DeliveryEffect_Verdict:
    """The other side has the event at this position."""
    return wit.DeliveryEffect_Verdict(wit.EventVerdict(index, wit.Verdict_Delivered()))


def retry_after(index: int, milliseconds: int) -> wit.DeliveryEffect_Verdict:
    """Offer the event again, not before so much time has passed."""
    return wit.DeliveryEffect_Verdict(wit.EventVerdict(index, wit.Verdict_RetryAfter(milliseconds)))


def drop(index: int, reason: str) -> wit.DeliveryEffect_Verdict:
    """The event can never be delivered."""
    return wit.DeliveryEffect_Verdict(wit.EventVerdict(index, wit.Verdict_Drop(reason)))


def split() -> wit.DeliveryEffect_Split:
    """The batch as it is was refused: offer what has no verdict again in two halves."""
    return wit.DeliveryEffect_Split()


def park(reason: str) -> wit.DeliveryEffect_Park:
    """Nothing can be delivered until an operator has acted."""
    return wit.DeliveryEffect_Park(reason)


def wait(milliseconds: int) -> wit.DeliveryEffect_Wait:
    """Asks to be called again, by `resumed`, after so much time."""
    return wit.DeliveryEffect_Wait(milliseconds)


def save(state: bytes) -> wit.DeliveryEffect_Save:
    """Keeps `state` with the cursor, for the next delivery."""
    return wit.DeliveryEffect_Save(state)


__all__ = ["Batch", "Event", "Exporter", "delivered", "drop", "park", "retry_after", "save", "split", "wait"]
