"""A binding's settings, and what cannot be read of them."""

from __future__ import annotations

import json
from typing import Any


def parse(settings: str) -> dict[str, Any]:
    """The host has checked settings against the manifest's schema."""
    return json.loads(settings) if settings.strip() else {}
