"""The resource of the interface `exporter`."""

from plugin import plugin

from hardpoint.machine import Slot, begun
from hardpoint.settings import parse
from hardpoint.wit import exporter as wit


class Delivery(Slot):
    """The resource `delivery`."""

    @classmethod
    def open(cls, batch, settings, state):
        return cls(begun(lambda: plugin.deliver(batch, parse(settings), state)), wit, "DeliveryEffect")
