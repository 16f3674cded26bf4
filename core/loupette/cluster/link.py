"""What goes between the server and a bridge: length-prefixed MessagePack, as to any worker."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from loupette.frames import LENGTH
from loupette.settings import LogFormat

BEAT_S = 5.0
SILENCE_S = 60.0
"""A bridge that says nothing for so long is ended; it takes part of that to start."""


class Plan(msgspec.Struct, tag="plan", frozen=True):
    """The bridge's first message: what it starts workers of.

    Attributes:
        address: of the cluster.
        package: folder with all that the workers import of ours.
        type_id: what they load.
        modules: plugins beside the installed ones.
        cpus, gpus: what each of them reserves.
        log_format: of their messages.
        part_s: as `RemoteSolvers`.
    """

    address: str
    package: str
    type_id: int
    modules: tuple[str, ...]
    cpus: float
    gpus: float
    log_format: LogFormat
    part_s: float


class Open(msgspec.Struct, tag="open", frozen=True):
    """Start a worker, and say when it is ready."""

    worker: int


class Ask(msgspec.Struct, tag="ask", frozen=True):
    """Have a worker answer a list of tasks, encoded."""

    worker: int
    tasks: bytes


class End(msgspec.Struct, tag="end", frozen=True):
    """End a worker, whatever it is at."""

    worker: int


class Loaded(msgspec.Struct, tag="loaded", frozen=True):
    """A worker is ready, or has failed to load its type."""

    worker: int
    failures: dict[int, str]


class Answered(msgspec.Struct, tag="answered", frozen=True):
    """The next replies of a worker to what it was asked, encoded."""

    worker: int
    replies: bytes


class Gone(msgspec.Struct, tag="gone", frozen=True):
    """A worker has ended, or could not be started.

    Attributes:
        lost: its machine is gone, so that nothing it was asked is to blame.
    """

    worker: int
    reason: str
    lost: bool


class Alive(msgspec.Struct, tag="alive", frozen=True):
    """The bridge itself still works, as it says every `BEAT_S`."""


Order: TypeAlias = Open | Ask | End
"""What the server says, after the plan."""
News: TypeAlias = Loaded | Answered | Gone | Alive
"""What the bridge says."""

_encoder = msgspec.msgpack.Encoder()
decode_plan: Callable[[bytes], Plan] = msgspec.msgpack.Decoder(Plan).decode
decode_order: Callable[[bytes], Order] = msgspec.msgpack.Decoder(Order).decode
decode_news: Callable[[bytes], News] = msgspec.msgpack.Decoder(News).decode


def encode(message: Plan | Order | News) -> bytes:
    """Encode a message behind its length."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body
