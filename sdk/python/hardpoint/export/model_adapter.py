"""The resources of the interface `model-adapter`."""

from plugin import plugin

from hardpoint.failure import Failure
from hardpoint.machine import Slot
from hardpoint.settings import parse
from hardpoint.wit import model_adapter as wit
from hardpoint.wit.base import Err


class Completion(Slot):
    """The resource `completion`."""

    @classmethod
    def open(cls, request, settings):
        try:
            return cls(plugin.complete(request, parse(settings)), wit, "CompletionEffect")
        except Failure as failure:
            raise Err(failure.record()) from None


class Embedding(Slot):
    """The resource `embedding`."""

    @classmethod
    def open(cls, request, settings):
        try:
            return cls(plugin.embed(request, parse(settings)), wit, "EmbeddingEffect")
        except Failure as failure:
            raise Err(failure.record()) from None
