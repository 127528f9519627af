"""Exports a retriever."""

from plugin import plugin

from hardpoint.failure import Failure
from hardpoint.retriever import failure_of
from hardpoint.settings import parse
from hardpoint.wit import types
from hardpoint.wit.base import Err


class Retriever:
    """The interface `retriever`."""

    def ingest(self, document, into, settings):
        return _tried(lambda: plugin.ingest(document, into, parse(settings)))

    def search(self, request, settings):
        return _tried(lambda: plugin.search(request, parse(settings)))

    def remove(self, document_ids, settings):
        return _tried(lambda: plugin.remove(document_ids, parse(settings)))


def _tried(act):
    try:
        return act()
    except Failure as failure:
        raise Err(failure.record()) from None
    except Err as error:
        # What a document or sink raised and the plugin let through.
        raise error if isinstance(error.value, types.Failure) else Err(failure_of(error).record()) from None
