"""`log`."""

try:
    from wit_world.imports.log import *  # noqa: F403
except ImportError:
    from enum import Enum

    from . import base

    class Level(Enum):
        DEBUG = 0
        INFO = 1
        WARN = 2
        ERROR = 3

    def write(level: Level, message: str) -> None:
        if base.host is not None:
            base.host.log_write(level, message)
