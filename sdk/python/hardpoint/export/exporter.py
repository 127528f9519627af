"""The resource of the interface `exporter`."""

from plugin import plugin

from hardpoint.failure import Failure
from hardpoint.machine import Slot
from hardpoint.settings import parse
from hardpoint.wit import exporter as wit
from hardpoint.wit.base import Err


class Delivery(Slot):
    """The resource `delivery`."""

    @classmethod
    def open(cls, batch, settings, state):
        try:
            return cls(plugin.deliver(batch, parse(settings), state), wit, "DeliveryEffect")
        except Failure as failure:
            raise Err(failure.record()) from None
