"""The process that belongs to the Ray cluster: ``python -m loupette.cluster.bridge FD``.

It is apart from the server, as Ray ends processes that have lost their node or the cluster's head,
and as its client takes time and memory of its own. It carries tasks to actors and their replies
back; the server decides which worker is asked what, for how long, and how often.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import uuid
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from loupette.cluster.link import (
    BEAT_S,
    Alive,
    Answered,
    Ask,
    End,
    Gone,
    Loaded,
    News,
    Open,
    Order,
    Plan,
    decode_order,
    decode_plan,
    encode,
)
from loupette.cluster.remote import RemoteSolvers
from loupette.frames import LENGTH

PART_BYTES = 64 * 1024
"""Of an argument. One above 100 KB Ray puts into shared memory, for its receiver to fetch, which is
more work than to send it along."""
NAMESPACE = "loupette"
JOIN_WITHIN_S = 60.0
_AGAIN_S = 0.2
_HEAD_WITHIN_S = 5.0
_SHOWN = 300
WATCH = "watch"
"""Of an actor's two groups of threads, the one that never waits for the solver."""


def main(arguments: list[str]) -> None:
    """Serve the server on an inherited socket until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends its bridge itself
    with socket.socket(fileno=int(arguments[0])) as server:
        asyncio.run(_serve(server))


async def _serve(server: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=server)
    plan = decode_plan(await _receive(reader))
    beating = asyncio.create_task(_beat(writer))  # it is referred to for as long as it runs
    try:
        async with asyncio.timeout(JOIN_WITHIN_S):  # Ray itself would try for ever
            await _reach_head(plan.address)
            await asyncio.to_thread(_join, plan)
    except (OSError, RuntimeError, ValueError) as error:  # as Ray says it in turn
        await _decline(
            reader, writer, plan, f"no Ray cluster at {plan.address}: {error}".strip(": ")
        )
        os._exit(1)  # the thread may still be trying
    bridge = _Bridge(plan, writer)
    with suppress(asyncio.IncompleteReadError):  # the server has ended, or wants no more of it
        while True:
            bridge.obey(decode_order(await _receive(reader)))
    beating.cancel()
    ray.shutdown()  # which ends the actors: they belong to this process


async def _beat(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(encode(Alive()))
        await asyncio.sleep(BEAT_S)


async def _reach_head(address: str) -> None:
    """Wait until the head listens, where the address says where it is.

    Ray, once it was refused, takes half a minute to find a head that is back.
    """
    host, _, port = address.rpartition(":")
    while port.isdecimal():
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            await asyncio.sleep(_AGAIN_S)
        else:
            writer.close()
            return


def _join(plan: Plan) -> None:
    ray.init(
        address=plan.address,
        namespace=NAMESPACE,
        runtime_env={"working_dir": plan.package},
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


async def _decline(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, plan: Plan, reason: str
) -> None:
    """Say why there is no worker to the first one that is asked for, and end."""
    order = decode_order(await _receive(reader))
    writer.write(encode(Loaded(order.worker, {plan.type_id: reason})))
    await writer.drain()


async def _receive(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(LENGTH.size)
    return await reader.readexactly(LENGTH.unpack(head)[0])


class _Bridge:
    """The actors, by the server's numbers."""

    def __init__(self, plan: Plan, writer: asyncio.StreamWriter) -> None:
        self._plan = plan
        self._writer = writer
        # None until there is an actor; Any, as Ray gives actors their methods at run time.
        self._actors: dict[int, Any] = {}
        self._nodes: dict[int, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._name = uuid.uuid4().hex[:8]
        # The solver has the other group, and in it one thread, always the same.
        self._actor_class: Any = ray.remote(
            num_cpus=plan.cpus,
            num_gpus=plan.gpus,
            concurrency_groups={WATCH: 2},
        )(RemoteSolvers)

    def obey(self, order: Order) -> None:
        """Begin with what the server wants."""
        match order:
            case Open(worker):
                self._actors[worker] = None
                self._begin(self._live(worker))
            case Ask(worker, tasks) if worker in self._actors:
                self._begin(self._answer(worker, tasks))
            case End(worker):
                self._end(worker)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, worker: int) -> None:
        """Start a worker and watch over it until it ends."""
        plan = self._plan
        try:
            self._nodes[worker] = wanted = await self._choose_node()
            actor_class = self._actor_class.options(
                name=f"{plan.type_id}-{self._name}-{worker}",
                # Elsewhere where it is full, but `SPREAD` would not look at what is ours.
                scheduling_strategy=NodeAffinitySchedulingStrategy(
                    wanted, soft=True, _spill_on_unavailable=True
                ),
            )
            if worker not in self._actors:  # the server has changed its mind
                return
            actor = actor_class.remote(plan.type_id, plan.modules, plan.log_format, plan.part_s)
            self._actors[worker] = actor
            # First of all, so that it is known what went with a node while it loaded.
            self._nodes[worker] = await actor.node.options(concurrency_group=WATCH).remote()
            self._tell(Loaded(worker, await actor.load.remote()))
            await actor.stay.options(concurrency_group=WATCH).remote()
        except Exception as error:  # whatever it is, the server is not to wait for this worker
            await self._mourn(worker, error)

    async def _answer(self, worker: int, tasks: bytes) -> None:
        asked = self._actors[worker].answer.options(num_returns="streaming")
        with suppress(RayError):  # `_live` hears of it, too
            async for part in asked.remote(*_parts(tasks)):
                self._tell(Answered(worker, await part))

    async def _choose_node(self) -> str:
        """The one with the fewest of our workers, so that no node takes all of them with it."""
        living = await _living()
        nodes = [one["NodeID"] for one in living if "CPU" in one["Resources"]]
        if not living:
            raise LookupError("no node of the cluster is alive")
        ours = Counter(self._nodes.values())
        node: str = min(nodes or [one["NodeID"] for one in living], key=lambda node: ours[node])
        return node

    def _end(self, worker: int) -> None:
        actor = self._actors.pop(worker, None)
        self._nodes.pop(worker, None)
        if actor is not None:
            ray.kill(actor)

    async def _mourn(self, worker: int, error: Exception) -> None:
        """Tell of a worker's end, unless the server wanted it."""
        if worker not in self._actors:
            return
        if isinstance(error, ActorDiedError) and error.actor_init_failed:  # the plugin's doing
            self._tell(Loaded(worker, {self._plan.type_id: _shorten(error)}))
        node = self._nodes.get(worker, "")
        lost = isinstance(error, ActorUnavailableError) or not await _is_alive(node)
        self._end(worker)
        self._tell(Gone(worker, _shorten(error), lost))

    def _tell(self, news: News) -> None:
        self._writer.write(encode(news))


async def _living() -> list[dict[str, Any]]:
    nodes = await asyncio.to_thread(ray.nodes)
    return [node for node in nodes if node["Alive"]]


async def _is_alive(node: str) -> bool:
    try:
        async with asyncio.timeout(_HEAD_WITHIN_S):
            return any(one["NodeID"] == node for one in await _living())
    except Exception:  # who would know is away: nothing else is to blame either
        return False


def _shorten(error: Exception) -> str:
    """On one line, and without the advice."""
    return " ".join(str(error).split())[:_SHOWN]


def _parts(body: bytes) -> Iterator[bytes]:
    return (body[start : start + PART_BYTES] for start in range(0, len(body), PART_BYTES))


if __name__ == "__main__":
    main(sys.argv[1:])
