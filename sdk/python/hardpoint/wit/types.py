"""`types`: requests, observations, failures."""

try:
    from wit_world.imports.types import *  # noqa: F403
except ImportError:
    from dataclasses import dataclass
    from enum import Enum
    from typing import List, Optional, Union

    class SecretEncoding(Enum):
        RAW = 0
        JSON = 1
        BASE64 = 2
        URL = 3

    @dataclass
    class SecretReference:
        name: str
        encoding: SecretEncoding

    @dataclass
    class Part_Bytes:
        value: bytes

    @dataclass
    class Part_Secret:
        value: SecretReference

    Part = Union[Part_Bytes, Part_Secret]

    @dataclass
    class RequestHeader:
        name: str
        value: List[Part]

    @dataclass
    class Header:
        name: str
        value: bytes

    class Compression(Enum):
        NONE = 0
        GZIP = 1

    @dataclass
    class HttpRequest:
        exchange: int
        method: str
        url: str
        headers: List[RequestHeader]
        body: List[Part]
        compression: Compression

    @dataclass
    class ResponseHead:
        exchange: int
        status: int
        headers: List[Header]

    @dataclass
    class BodyBytes:
        exchange: int
        bytes: bytes

    class TransportFailureKind(Enum):
        DENIED = 0
        CONNECT = 1
        TIMEOUT = 2
        RESET = 3
        PROTOCOL = 4

    @dataclass
    class TransportFailure:
        exchange: int
        kind: TransportFailureKind
        message: str

    @dataclass
    class Observation_Started:
        pass

    @dataclass
    class Observation_Resumed:
        pass

    @dataclass
    class Observation_Head:
        value: ResponseHead

    @dataclass
    class Observation_Body:
        value: BodyBytes

    @dataclass
    class Observation_Ended:
        value: int

    @dataclass
    class Observation_Broken:
        value: TransportFailure

    Observation = Union[
        Observation_Started,
        Observation_Resumed,
        Observation_Head,
        Observation_Body,
        Observation_Ended,
        Observation_Broken,
    ]

    class FailureKind(Enum):
        INVALID_REQUEST = 0
        AUTHENTICATION = 1
        RATE_LIMITED = 2
        OVERLOADED = 3
        UPSTREAM = 4
        PROTOCOL = 5
        UNSUPPORTED = 6
        CONTENT_FILTERED = 7

    @dataclass
    class Failure:
        kind: FailureKind
        message: str
        status: Optional[int]
        retry_after_ms: Optional[int]
        code: Optional[str]
        param: Optional[str]
