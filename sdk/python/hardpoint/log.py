"""Lines for the plugin's own log, which operators read under `/plugins/{id}/logs`."""

from .wit.log import Level, write


def debug(message: str) -> None:
    """For the plugin's author."""
    write(Level.DEBUG, message)


def info(message: str) -> None:
    """Worth knowing."""
    write(Level.INFO, message)


def warn(message: str) -> None:
    """Something is off, and the call goes on."""
    write(Level.WARN, message)


def error(message: str) -> None:
    """Something failed."""
    write(Level.ERROR, message)
