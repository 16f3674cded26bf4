"""A bridge to a cluster that is this process: ``python -m fake_bridge FD``; see `test_nodes`.

A black image ends the worker that is asked; at the address ``losing``, its machine does.
"""

import socket
import sys

import fakes
from loupette.cluster.link import (
    Answered,
    Ask,
    End,
    Gone,
    Loaded,
    News,
    Open,
    decode_order,
    decode_plan,
    encode,
)
from loupette.frames import LENGTH, Ready, decode_tasks, encode_list
from loupette.manager import load_plugins
from loupette.solving import Solvers

BLACK = fakes.draw_png(colour="black")


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as server, server.makefile("rwb") as stream:

        def receive() -> bytes:
            head = stream.read(LENGTH.size)
            return stream.read(LENGTH.unpack(head)[0]) if head else b""

        def tell(news: News) -> None:
            stream.write(encode(news))
            stream.flush()

        plan = decode_plan(receive())
        solvers = Solvers(load_plugins(plan.modules).loaded)
        while body := receive():
            match decode_order(body):
                case Open(worker) if plan.address == "nowhere":
                    tell(Loaded(worker, {plan.type_id: "no Ray cluster at nowhere"}))
                    return
                case Open(worker):
                    *_, ready = solvers.load([plan.type_id])
                    assert isinstance(ready, Ready)
                    tell(Loaded(worker, ready.failures))
                case Ask(worker, body):
                    tasks = decode_tasks(body)
                    if any(task.image == BLACK for task in tasks):
                        tell(Gone(worker, "it saw black", lost=plan.address == "losing"))
                    else:
                        tell(Answered(worker, encode_list([*solvers.answer_all(tasks)])))
                case End():
                    pass


if __name__ == "__main__":
    main()
