"""A bridge to a cluster that is this process: ``python -m fake_bridge FD``; see `test_nodes`.

A black image ends the worker that is asked; at the address ``losing``, its machine does; at
``unsteady`` so do the machines of the next ``LOSSES`` workers while these load. At ``full`` there
is room for one worker, at ``fuller`` for two, and others wait until one ends. At ``ending`` none
gets as far as to load.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import fakes
from loupette.cluster.link import (
    Alive,
    Answered,
    Ask,
    End,
    Gone,
    Loaded,
    News,
    Open,
    Plan,
    decode_order,
    decode_plan,
    encode,
)
from loupette.frames import LENGTH, Ready, Task, decode_tasks, encode_list
from loupette.manager import load_plugins
from loupette.solving import Solvers

BLACK = frozenset(fakes.draw_png(width, colour="black") for width in range(40, 50))
BEAT_S = 0.1
LOSSES = 8
ROOM = {"full": 1, "fuller": 2}


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as server, server.makefile("rwb") as stream:

        def receive() -> bytes:
            head = stream.read(LENGTH.size)
            return stream.read(LENGTH.unpack(head)[0]) if head else b""

        def tell(news: News) -> None:
            with speaking:
                stream.write(encode(news))
                stream.flush()

        def beat() -> None:
            with suppress(OSError, ValueError):  # it has ended
                while True:
                    tell(Alive())
                    time.sleep(BEAT_S)

        speaking = threading.Lock()
        threading.Thread(target=beat, daemon=True).start()
        bridge = Bridge(decode_plan(receive()), tell)
        while not bridge.has_ended and (body := receive()):
            bridge.obey(body)


class Bridge:
    """The workers, all of them this process."""

    def __init__(self, plan: Plan, tell: Callable[[News], None]) -> None:
        self._plan = plan
        self._tell = tell
        self._solvers = Solvers(load_plugins(plan.modules).loaded)
        self._placed: set[int] = set()
        self._pending: list[int] = []
        self._losses = 0
        self.has_ended = False

    def obey(self, body: bytes) -> None:
        match decode_order(body):
            case Open(worker) if self._plan.address == "nowhere":
                self._tell(Loaded(worker, {self._plan.type_id: "no Ray cluster at nowhere"}))
                self.has_ended = True
            case Open(worker) if self._plan.address == "ending":
                self._tell(Gone(worker, "it has no memory", lost=False))
            case Open(worker) if self._losses:
                self._losses -= 1
                self._tell(Gone(worker, "its node is gone", lost=True))
            case Open(worker):
                self._pending.append(worker)
                self._place()
            case Ask(worker, tasks):
                self._answer(worker, decode_tasks(tasks))
            case End(worker):
                self._end(worker)

    def _place(self) -> None:
        while self._pending and len(self._placed) < ROOM.get(self._plan.address, 99):
            worker = self._pending.pop(0)
            self._placed.add(worker)
            *_, ready = self._solvers.load([self._plan.type_id])
            assert isinstance(ready, Ready)
            self._tell(Loaded(worker, ready.failures))

    def _answer(self, worker: int, tasks: Sequence[Task]) -> None:
        if not any(task.image in BLACK for task in tasks):
            for reply in self._solvers.answer_all(tasks):
                self._tell(Answered(worker, encode_list([reply])))
            return
        self._losses = LOSSES if self._plan.address == "unsteady" else 0
        self._tell(Gone(worker, "it saw black", lost=self._plan.address in ("losing", "unsteady")))
        self._end(worker)

    def _end(self, worker: int) -> None:
        self._placed.discard(worker)
        if worker in self._pending:
            self._pending.remove(worker)
        self._place()


if __name__ == "__main__":
    main()
