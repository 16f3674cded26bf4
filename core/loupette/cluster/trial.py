"""A cluster of two nodes on this machine, to try with: ``python -m loupette.cluster.trial FILE``.

It lasts until SIGTERM. FILE tells where it is, once it is up. Where its head dies, all of it is
started again at the same address, as a supervisor does on machines of one's own.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

NODES = 2
LOOPBACK = "127.0.0.2"
"""Ray calls itself by this address; 127.0.0.1 it would replace by the machine's own."""
_STORE_BYTES = 100 * 1024 * 1024
_LOOK_S = 1.0


class Trial(msgspec.Struct, frozen=True):
    """A cluster that runs.

    Attributes:
        address: for ``LOUPETTE_RAY_ADDRESS``.
        pid: of the process that ends all of it at SIGTERM.
        head: the process that knows all nodes and workers.
        raylets: one process for each node; the first one is the head's.
    """

    address: str
    pid: int
    head: int
    raylets: list[int]


def read_trial(file: Path) -> Trial | None:
    """The cluster that a file tells of, if it still runs."""
    try:
        trial = msgspec.json.decode(file.read_bytes(), type=Trial)
        command = Path(f"/proc/{trial.pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return trial if __spec__.name.encode() in command else None  # numbers are given out again


def main(arguments: list[str]) -> None:
    """Start the nodes, say so, wait for the end."""
    file = Path(arguments[0])
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    port = 0  # any at first
    try:
        while not ended.is_set():
            cluster = _start(port)
            try:
                port = int(cluster.address.rpartition(":")[2])
                _tell(file, cluster)
                while _pid_of(cluster.head_node, "gcs_server") and not ended.wait(_LOOK_S):
                    pass
            finally:
                cluster.shutdown()
    finally:
        file.unlink(missing_ok=True)


def _start(port: int) -> Any:  # Ray's own Cluster, which is imported where it is used only
    from ray.cluster_utils import Cluster

    node = {
        "num_cpus": len(os.sched_getaffinity(0)),
        "object_store_memory": _STORE_BYTES,
        "node_ip_address": LOOPBACK,
        "include_dashboard": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args=node | {"gcs_server_port": port})
    for _ in range(NODES - 1):
        cluster.add_node(**node)
    return cluster


def _tell(file: Path, cluster: Any) -> None:
    trial = Trial(
        cluster.address,
        os.getpid(),
        _pid_of(cluster.head_node, "gcs_server"),
        [_pid_of(node, "raylet") for node in cluster.list_all_nodes()],
    )
    written = file.with_suffix(".new")
    written.write_bytes(msgspec.json.encode(trial))
    written.replace(file)


def _pid_of(node: Any, kind: str) -> int:
    """Of a node's process; 0 if it has ended."""
    process = node.all_processes[kind][0].process
    return process.pid if process.poll() is None else 0


if __name__ == "__main__":
    main(sys.argv[1:])
