"""The resources of the interface `model-adapter`."""

from plugin import plugin

from hardpoint.machine import Slot, begun
from hardpoint.settings import parse
from hardpoint.wit import model_adapter as wit


class Completion(Slot):
    """The resource `completion`."""

    @classmethod
    def open(cls, request, settings):
        return cls(begun(lambda: plugin.complete(request, parse(settings))), wit, "CompletionEffect")


class Embedding(Slot):
    """The resource `embedding`."""

    @classmethod
    def open(cls, request, settings):
        return cls(begun(lambda: plugin.embed(request, parse(settings))), wit, "EmbeddingEffect")
