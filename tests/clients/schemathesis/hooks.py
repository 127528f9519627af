"""Keeps tests from ending themselves: ids that were answered are used in other requests, and some of these end the
key that asks, or never end at all."""

import os

import schemathesis

KEPT = os.environ["HARDPOINT_KEPT"].split(",")


@schemathesis.hook
def before_call(context, case, kwargs):
    for name, value in (case.path_parameters or {}).items():
        if value in KEPT:
            case.path_parameters[name] = "key_of_nobody"
    # A log that is followed never ends.
    if str((case.query or {}).get("follow")).lower() == "true":
        case.query["follow"] = "false"
