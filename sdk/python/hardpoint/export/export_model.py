"""Exports a model adapter; its resources are in `model_adapter`."""

import model_adapter  # noqa: F401


class ModelAdapter:
    """The interface `model-adapter`."""
