"""A solver process: ``python -m loupette.worker FD TYPES MODULES FORM``, started by the pool.

It owns no key, no balance and no database: bytes in, answers out, until the server hangs up.
"""

import os
import select
import signal
import socket
import sys
import threading
from typing import TextIO

from loupette.frames import LENGTH, decode_tasks, encode
from loupette.manager import load_plugins
from loupette.messages import set_up_messages
from loupette.solving import Solvers


def main(arguments: list[str]) -> None:
    """Serve tasks from an inherited socket until it closes.

    Args:
        arguments: the socket's descriptor; type IDs and extra modules, each comma separated; the
            form of its messages.
    """
    # Ctrl-C goes to the whole process group; the server ends its workers itself, after draining.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor, types, modules, form = arguments
    if form == "json":
        set_up_messages("json", stream=_take_standard_error())
    else:
        set_up_messages("text")
    with socket.socket(fileno=int(descriptor)) as server:
        threading.Thread(target=_leave_with, args=[server.fileno()], daemon=True).start()
        solvers = Solvers(load_plugins(_split(modules)).loaded)
        for start in solvers.load(int(type_id) for type_id in _split(types)):
            server.sendall(encode(start))
        while body := _receive(server):
            for reply in solvers.answer_all(decode_tasks(body)):
                server.sendall(encode(reply))


def _take_standard_error() -> TextIO:
    """Standard error for messages alone: what libraries print there goes to standard output."""
    messages = os.fdopen(os.dup(2), "w")
    os.dup2(1, 2)
    return messages


def _leave_with(server: int) -> None:
    """End the process when the server is gone, whatever a solver is busy with.

    The server may have been killed, and then nobody else ends a solver that hangs.
    """
    poller = select.poll()
    poller.register(server, 0)  # a hang-up is reported without being asked for
    poller.poll()
    os._exit(0)


def _split(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _receive(server: socket.socket) -> bytes:
    """One frame's body; empty when the server has hung up."""
    head = _receive_exactly(server, LENGTH.size)
    return _receive_exactly(server, LENGTH.unpack(head)[0]) if head else b""


def _receive_exactly(server: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        chunk = server.recv(count - len(received))
        if not chunk:
            return b""
        received += chunk
    return bytes(received)


if __name__ == "__main__":
    main(sys.argv[1:])
