"""What a cluster has for us, as JSON: ``python -m loupette.cluster.status ADDRESS``."""

import sys
from typing import Any

import msgspec
import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util import list_named_actors

from loupette.cluster.bridge import NAMESPACE, WATCH

_ASK_WITHIN_S = 10.0


def main(arguments: list[str]) -> None:
    """Write the nodes, each with its workers by type."""
    ray.init(address=arguments[0], namespace=NAMESPACE, log_to_driver=False, logging_level="error")
    nodes: list[dict[str, Any]] = [
        {
            "node": node["NodeID"],
            "address": node["NodeManagerAddress"],
            "cpus": node["Resources"].get("CPU", 0.0),
            "gpus": node["Resources"].get("GPU", 0.0),
            "workers": {},
        }
        for node in ray.nodes()
        if node["Alive"]
    ]
    for type_id, node in _workers():
        for one in nodes:
            if one["node"] == node:
                one["workers"][type_id] = one["workers"].get(type_id, 0) + 1
    sys.stdout.buffer.write(msgspec.json.encode(nodes))
    ray.shutdown()


def _workers() -> list[tuple[str, str]]:
    found = []
    for named in list_named_actors(all_namespaces=True):
        if named["namespace"] != NAMESPACE:
            continue
        try:
            actor = ray.get_actor(named["name"], NAMESPACE)
            asked = actor.node.options(concurrency_group=WATCH).remote()
            found.append((named["name"].partition("-")[0], ray.get(asked, timeout=_ASK_WITHIN_S)))
        except (RayError, GetTimeoutError, ValueError):
            continue  # it has ended, or is still starting
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
