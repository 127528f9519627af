"""Exports an exporter; its resource is in `exporter`."""

import exporter  # noqa: F401


class Exporter:
    """The interface `exporter`."""
