"""What goes between the server and its workers: length-prefixed MessagePack frames.

Only bytes, numbers and text cross; no object of a plugin ever does, and nothing is unpickled.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from loupette.plugin import OptionValue

LENGTH = struct.Struct(">I")
MAX_REPLY_BYTES = 2**18
"""What a solver gives may be so large, as a frame."""
MAX_FRAME_BYTES = 2**20
"""A worker that sends more at once sends no reply of `loupette.solving`."""


class Task(msgspec.Struct, tag="task", frozen=True):
    """One challenge, still encoded: the worker decodes it."""

    type_id: int
    image: bytes
    image2: bytes | None = None
    options: Mapping[str, OptionValue] = {}

    def image_hash(self) -> bytes:
        """Tells images apart, whatever is asked of them."""
        digest = hashlib.sha256(self.image)
        digest.update(self.image2 or b"")
        return digest.digest()


class Loading(msgspec.Struct, tag="loading", frozen=True):
    """The worker is about to load this type: if it ends now, this type ended it."""

    type_id: int


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """The worker has loaded its types; for those that failed, why."""

    failures: dict[int, str]


class Read(msgspec.Struct, tag="read", frozen=True):
    """The solver answered."""

    result: str
    confidence: float
    detail: Mapping[str, Any]  # JSON, checked by being encoded


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """The solver raised Unsolvable."""

    reason: str
    message: str
    detail: Mapping[str, Any]  # JSON, checked by being encoded


class BadInput(msgspec.Struct, tag="bad_input", frozen=True):
    """The image could not be decoded; `reason` is that of a BadImage."""

    reason: str
    message: str


class Crashed(msgspec.Struct, tag="crashed", frozen=True):
    """The solver raised something else, or gave no answer; the worker has logged it."""

    message: str


Start: TypeAlias = Loading | Ready
"""What a worker says before its first task."""
Reply: TypeAlias = Read | Refused | BadInput | Crashed
"""What a worker says to each task."""

_encoder = msgspec.msgpack.Encoder()
decode_tasks: Callable[[bytes], list[Task]] = msgspec.msgpack.Decoder(list[Task]).decode
decode_start: Callable[[bytes], Start] = msgspec.msgpack.Decoder(Start).decode
decode_reply: Callable[[bytes], Reply] = msgspec.msgpack.Decoder(Reply).decode
decode_replies: Callable[[bytes], list[Reply]] = msgspec.msgpack.Decoder(list[Reply]).decode


def encode_list(frames: Sequence[Task] | Sequence[Reply]) -> bytes:
    """Encode several frames without a length, where what carries them knows it."""
    return _encoder.encode(frames)


def encode(frame: Start | Reply | Sequence[Task]) -> bytes:
    """Encode a frame behind its length.

    After the start, the server sends lists: tasks of one type; the worker replies to each in order.

    Raises:
        TypeError: a detail that is not JSON-ready.
    """
    body = _encoder.encode(frame)
    return LENGTH.pack(len(body)) + body
