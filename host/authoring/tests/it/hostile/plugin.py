"""A tool that harms on demand: `{"do": "spin"}`."""

import sys

from hardpoint import Failure, FailureKind, get, http, log, secret
from hardpoint.tool import InvalidArguments, Tool

calls = 0


class Hostile(Tool):
    description = "Harms the host, as its argument says."

    parameters = {
        "type": "object",
        "required": ["do"],
        "properties": {"do": {"type": "string"}, "told": {"type": "string", "default": ""}},
    }

    def call(self, arguments, settings):
        behaviour = globals()[arguments["do"].replace("-", "_")]
        return behaviour(arguments["told"], settings["target"])


def count(told, target):
    """Calls of this instance so far."""
    global calls
    calls += 1
    return calls


def spin(told, target):
    while True:
        pass


def allocate(told, target):
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def recurse(told, target):
    sys.setrecursionlimit(1 << 30)
    return deeper(0)


def deeper(depth):
    return deeper(depth + 1) + 1


def throw(told, target):
    raise ValueError("there is no such moon: Vulcan")


def wrong_type(told, target):
    # The SDK makes text of what is returned; what goes around it hands over anything.
    failure = Failure(FailureKind.UPSTREAM, "")
    failure.message = 42
    raise failure


def no_json(told, target):
    return object()


def bad_text(told, target):
    # Half of a character: text in Python, and in no encoding.
    return "\ud800"


def answer_too_long(told, target):
    return "x" * (5 << 18)


def leave(told, target):
    sys.exit(7)


def reflect(told, target):
    """Tells everybody what came back for the secret, and what the caller says that it is."""
    came = http.send(get(target, headers={"authorization": ["Bearer ", secret("token")]})).text()
    log.info(f"logged: {came}, {told}")
    print(f"printed: {came}, {told}")
    # One line of the log, in two writes.
    sys.stderr.write(told[:9])
    sys.stderr.flush()
    sys.stderr.write(told[9:] + "\n")
    return [came, told]


def reflect_in_refusal(told, target):
    raise InvalidArguments(f"refused: {told}")


def reflect_in_failure(told, target):
    raise Failure(FailureKind.UPSTREAM, f"failed: {told}")


def reflect_in_exception(told, target):
    raise ValueError(f"thrown: {told}")


plugin = Hostile()
