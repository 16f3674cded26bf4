"""A cluster of two nodes on this machine, to try with: ``python -m loupette.cluster.trial FILE``.

It lasts until SIGTERM. FILE tells where it is, once it is up.
"""

import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

NODES = 2
LOOPBACK = "127.0.0.2"
"""Ray calls itself by this address; 127.0.0.1 it would replace by the machine's own."""
_STORE_BYTES = 100 * 1024 * 1024


class Trial(msgspec.Struct, frozen=True):
    """A cluster that runs.

    Attributes:
        address: for ``LOUPETTE_RAY_ADDRESS``.
        pid: of the process that ends all of it at SIGTERM.
        raylets: one process for each node; the first one is the head's.
    """

    address: str
    pid: int
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
    from ray.cluster_utils import Cluster  # here, since the command line reads the file without

    file = Path(arguments[0])
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    node = {
        "num_cpus": len(os.sched_getaffinity(0)),
        "object_store_memory": _STORE_BYTES,
        "node_ip_address": LOOPBACK,
        "include_dashboard": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        for _ in range(NODES - 1):
            cluster.add_node(**node)
        raylets = [one.all_processes["raylet"][0].process.pid for one in cluster.list_all_nodes()]
        written = file.with_suffix(".new")
        written.write_bytes(msgspec.json.encode(Trial(cluster.address, os.getpid(), raylets)))
        written.replace(file)
        ended.wait()
    finally:
        file.unlink(missing_ok=True)
        cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
