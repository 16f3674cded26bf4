"""A worker on another machine: an actor of Ray, with the solver of one type.

It owns no key, no balance and no database. The bridge makes an actor of the class.
"""

import threading
import time
from collections.abc import Iterator, Sequence

import ray

from loupette.frames import Ready, Reply, decode_tasks, encode_list
from loupette.manager import load_plugins
from loupette.messages import set_up_messages
from loupette.settings import LogFormat
from loupette.solving import Solvers


class RemoteSolvers:
    """The solver of one type, alone in its process.

    Args:
        type_id: loaded by `load`.
        modules: plugins beside the installed ones.
        log_format: of the messages.
        part_s: after so long it replies to what it has read so far, as a reply by itself costs
            more than the next one in the same part.
    """

    def __init__(
        self, type_id: int, modules: Sequence[str], log_format: LogFormat, part_s: float
    ) -> None:
        set_up_messages(log_format)
        self._part_s = part_s
        self._type_id = type_id
        self._solvers = Solvers(load_plugins(modules).loaded)

    def load(self) -> dict[int, str]:
        """Load the type and let it read its sample; gives why that failed, if it did, by type."""
        *_, ready = self._solvers.load([self._type_id])
        assert isinstance(ready, Ready)  # it is the last word of a start
        return ready.failures

    def node(self) -> str:
        """The node that this is on."""
        node: str = ray.get_runtime_context().get_node_id()
        return node

    def answer(self, *parts: bytes) -> Iterator[bytes]:
        """Answer a list of tasks, in parts; it comes in some, too, see `bridge.PART_BYTES`."""
        replies: list[Reply] = []
        since_s = time.monotonic()
        for reply in self._solvers.answer_all(decode_tasks(b"".join(parts))):
            replies.append(reply)
            if time.monotonic() - since_s >= self._part_s:
                yield encode_list(replies)
                replies, since_s = [], time.monotonic()
        if replies:
            yield encode_list(replies)

    def stay(self) -> None:
        """Never return: whoever waits for that hears at once when this process ends."""
        threading.Event().wait()
