"""`exporter`: deliveries."""

try:
    from wit_world.exports.exporter import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from typing import List, Union

    from . import types

    @dataclass
    class Event:
        id: str
        kind: str
        time: int
        body: str

    @dataclass
    class Batch:
        attempt: int
        now: int
        events: List[Event]

    @dataclass
    class Verdict_Delivered:
        pass

    @dataclass
    class Verdict_RetryAfter:
        value: int

    @dataclass
    class Verdict_Drop:
        value: str

    Verdict = Union[Verdict_Delivered, Verdict_RetryAfter, Verdict_Drop]

    @dataclass
    class EventVerdict:
        index: int
        verdict: Verdict

    @dataclass
    class DeliveryEffect_Send:
        value: types.HttpRequest

    @dataclass
    class DeliveryEffect_Wait:
        value: int

    @dataclass
    class DeliveryEffect_Verdict:
        value: EventVerdict

    @dataclass
    class DeliveryEffect_Split:
        pass

    @dataclass
    class DeliveryEffect_Park:
        value: str

    @dataclass
    class DeliveryEffect_Save:
        value: bytes

    @dataclass
    class DeliveryEffect_Again:
        pass

    DeliveryEffect = Union[
        DeliveryEffect_Send,
        DeliveryEffect_Wait,
        DeliveryEffect_Verdict,
        DeliveryEffect_Split,
        DeliveryEffect_Park,
        DeliveryEffect_Save,
        DeliveryEffect_Again,
    ]
